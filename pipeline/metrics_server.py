"""Prometheus exposition and probes over HTTP, from a thread of its own: a busy event loop cannot make it late."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from pipeline.errors import DependencyError
from pipeline.metrics import Metrics

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Probe = Callable[[], Sequence[str]]
"""What is wrong, in words; nothing: all is well."""


def no_problem() -> Sequence[str]:
    """The probe of a process that is well as long as it answers."""
    return ()


@contextmanager
def serving(metrics: Metrics, host: str, port: int, probes: Mapping[str, Probe] | None = None) -> Iterator[str]:
    """Serve while the block runs; gives the URL. Port 0 takes a free one.

    `/healthz` and `/readyz` answer 200, or 503 and what their probe says is wrong.
    """
    try:
        server, thread = start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        raise DependencyError(
            f"The metrics cannot listen on {host}:{port}: {error.strerror}", "Set metrics.port to a free port."
        ) from error
    figures = server.get_app()
    if figures is None:
        raise RuntimeError("prometheus_client serves no application")
    server.set_app(_with_probes(figures, {"/healthz": no_problem, "/readyz": no_problem} | dict(probes or {})))
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _with_probes(figures: "WSGIApplication", probes: Mapping[str, Probe]) -> "WSGIApplication":
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Sequence[bytes]":
        probe = probes.get(environ["PATH_INFO"])
        if probe is None:
            return list(figures(environ, start_response))
        problems = probe()
        start_response("503 Service Unavailable" if problems else "200 OK", [("Content-Type", "text/plain")])
        return ["".join(f"{problem}\n" for problem in problems or ["ok"]).encode()]

    return answer
