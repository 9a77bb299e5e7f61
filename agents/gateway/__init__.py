"""Audio input over WebSocket: one connection for each speaker. docs/integrate.md is the manual."""

from agents.gateway.close import Close
from agents.gateway.server import Gateway

__all__ = ["Close", "Gateway"]
