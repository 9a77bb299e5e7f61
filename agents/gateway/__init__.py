"""Audio in by WebSocket, one connection a speaker. docs/integrate.md is the manual."""

from agents.gateway.server import Close, Gateway

__all__ = ["Close", "Gateway"]
