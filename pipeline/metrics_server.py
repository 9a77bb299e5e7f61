"""Prometheus exposition over HTTP, from a thread of its own: a busy event loop cannot make it late."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import start_http_server

from pipeline.errors import DependencyError
from pipeline.metrics import Metrics


@contextmanager
def serving(metrics: Metrics, host: str, port: int) -> Iterator[str]:
    """Serve while the block runs; gives the URL. Port 0 takes a free one."""
    try:
        server, thread = start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        raise DependencyError(
            f"The metrics cannot listen on {host}:{port}: {error.strerror}", "Set metrics.port to a free port."
        ) from error
    try:
        yield f"http://{host}:{server.server_port}/metrics"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
