"""Audio input over WebSocket: one connection for each speaker. docs/integrate.md is the manual."""

from agents.gateway.gateway_server import Gateway
from agents.gateway.wire import Close

__all__ = ["Close", "Gateway"]
