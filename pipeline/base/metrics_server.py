"""Prometheus metrics and health probes over HTTP. They have their own thread: a busy event loop cannot delay them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics

if TYPE_CHECKING:
    from socket import socket
    from wsgiref.simple_server import WSGIServer
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SILENT_SECONDS = 10.0
MOST_OPEN = 64
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
        server, thread = start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        raise DependencyError(
            f"The metrics cannot listen on {host}:{port}: {error.strerror}", "Set metrics.port to a free port."
        ) from error
    # prometheus_client answers each path with the metrics. The probes go before its application.
    figures = server.get_app()
    if figures is None:
        raise RuntimeError("prometheus_client serves no application")
    _limit(server)
    server.set_app(_with_probes(figures, {"/healthz": no_problem, "/readyz": no_problem} | dict(probes or {})))
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _limit(server: "WSGIServer") -> None:
    """Let a connection be silent for SILENT_SECONDS at most, and serve MOST_OPEN at a time: each has a thread."""
    held: set[object] = set()

    def has_room(request: object, _: object) -> bool:
        if len(held) >= MOST_OPEN:
            return False
        held.add(request)
        return True

    def close(request: "socket") -> None:
        held.discard(request)
        request.close()

    handler = server.RequestHandlerClass
    server.RequestHandlerClass = type("Handler", (handler,), {"timeout": SILENT_SECONDS})  # type: ignore[arg-type] # it is a class
    server.verify_request, server.close_request = has_room, close  # type: ignore[method-assign, assignment]


def _with_probes(figures: "WSGIApplication", probes: Mapping[str, Probe]) -> "WSGIApplication":
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Sequence[bytes]":
        probe = probes.get(environ["PATH_INFO"])
        if probe is None:
            return list(figures(environ, start_response))
        problems = probe()
        start_response("503 Service Unavailable" if problems else "200 OK", [("Content-Type", "text/plain")])
        return ["".join(f"{problem}\n" for problem in problems or ["ok"]).encode()]

    return answer
