"""Prometheus metrics and health probes over HTTP. They have their own thread: a busy event loop cannot delay them."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MOST_CONNECTIONS = 64
"""Open connections. Prometheus and the probes of an orchestrator have a few."""

Probe = Callable[[], Sequence[str]]
"""A function that returns the problems of the process, in words. Empty means healthy."""


def no_problem() -> Sequence[str]:
    """The probe of a process that is healthy as long as it answers."""
    return ()


@dataclass
class Starting:
    """The readiness of a process that needs time to start: `/readyz` answers 503 until `done` is set."""

    done: bool = False

    @property
    def probes(self) -> dict[str, Probe]:
        return {"/readyz": lambda: () if self.done else ("it is still starting",)}


@contextmanager
def serving(metrics: Metrics, host: str, port: int, probes: Mapping[str, Probe] | None = None) -> Iterator[str]:
    """Serve metrics and `probes` (by path) until the block ends. Gives the URL. Port 0 selects a free port.

    `/healthz` and `/readyz` answer 200, or 503 with the problems of their probe. Raises DependencyError if the port
    cannot be opened.
    """
    try:
        server = _Server(host, port)
    except OSError as error:
        raise DependencyError(
            f"The metrics cannot listen on {host}:{port}: {error.strerror}", "Set metrics.port to a free port."
        ) from error
    always = {"/healthz": no_problem, "/readyz": no_problem}
    server.set_app(_with_probes(make_wsgi_app(metrics.registry), always | dict(probes or {})))
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""


class _Server(ThreadingMixIn, WSGIServer):
    """Has a thread for each connection. If there are too many, the oldest one gives way: strangers could hold all."""

    daemon_threads = True
    request_queue_size = 128  # with the default of 5, connections that come at once wait for seconds

    def __init__(self, host: str, port: int) -> None:
        [(self.address_family, *_, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._open: dict[Any, None] = {}
        self._lock = threading.Lock()
        super().__init__((str(address[0]), port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = None
            oldest = next(iter(self._open))
            if len(self._open) > MOST_CONNECTIONS:
                del self._open[oldest]
                with suppress(OSError):  # it has just ended
                    oldest.shutdown(socket.SHUT_RDWR)  # which ends its thread
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client has gone."""


def _with_probes(figures: "WSGIApplication", probes: Mapping[str, Probe]) -> "WSGIApplication":
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Sequence[bytes]":
        probe = probes.get(environ["PATH_INFO"])
        if probe is None:
            return list(figures(environ, start_response))
        problems = probe()
        start_response("503 Service Unavailable" if problems else "200 OK", [("Content-Type", "text/plain")])
        return ["".join(f"{problem}\n" for problem in problems or ["ok"]).encode()]

    return answer
