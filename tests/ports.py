"""Ports for the servers that tests start.

Never one the kernel would pick for "any port": it lends those to outgoing connections, too, and one of them may have
taken the port before the server listens on it.
"""

import socket
from random import SystemRandom

BELOW_EPHEMERAL = range(10_000, 32_768)
"""Linux lends ports from 32768 on, see ip_local_port_range."""

_candidates = iter(SystemRandom().sample(BELOW_EPHEMERAL, len(BELOW_EPHEMERAL)))


def free_port() -> int:
    """A port that nobody listens on, and that no call before was given."""
    return next(port for port in _candidates if _free(port))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
