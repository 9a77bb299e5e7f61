"""Audio in by WebSocket, one connection a speaker. docs/integrate.md is the manual."""

from agents.gateway.close import Close
from agents.gateway.server import Gateway

__all__ = ["Close", "Gateway"]
