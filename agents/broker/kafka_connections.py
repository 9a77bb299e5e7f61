"""The connections of kafka-python, with two changes.

A rejected name or password is an error at once.

While it looks for a broker, the library takes a rejection for a fault that passes, tries again, and in the end reports
only a time-out. It also drops the rejection if the broker has closed the connection meanwhile, as brokers do. A broker
that is still starting refuses the connection, which is another error: it is waited for.

A refused connection closes its socket. The library leaves that to the garbage collector, which looks at old objects so
rarely that a long outage could use up the files that a process may open.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

Received = tuple[bytes, Exception | None]
"""What came from the broker, and why nothing more will come."""


class Direct(KafkaNetSocket):  # type: ignore[misc]
    """Connects without a proxy. The library makes one for a proxy with this scheme."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except Exception:
            sock.close()
            raise


class Connections(KafkaConnectionManager):  # type: ignore[misc]
    """Ends the search for a broker when one rejects our credentials."""

    def update_backoff(self, node_id: Any) -> Any:
        """Return how long to wait before the next attempt, in ms. Called while the error of an attempt is handled."""
        error = sys.exception()
        if isinstance(error, SaslAuthenticationFailedError) and not self.bootstrapped:
            raise error
        return super().update_backoff(node_id)

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        made = await super()._build_transport(node, timeout_at=timeout_at)
        made._sock_recv = partial(last_words, made._sock_recv)
        return made


def last_words(receive: Callable[[], Received]) -> Received:
    """Return what came before the end of a connection. The next call returns the end."""
    data, error = receive()
    return data, None if data else error


def connecting(**given: Any) -> KafkaNetClient:
    """Make what the library's clients send and receive with."""
    network = NetworkSelector(**given)
    return KafkaNetClient(network, Connections(network, **(given | {"proxy_url": "direct://"})))
