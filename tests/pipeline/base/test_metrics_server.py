"""Metrics and probes are served on one port."""

import socket
import threading
from contextlib import ExitStack
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import MOST_CONNECTIONS, Starting, serving


def ask(url: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_a_probe_reports_the_problems() -> None:
    problems = ["judge stands still"]
    with serving(Metrics(), "127.0.0.1", 0, {"/healthz": lambda: problems}) as url:
        assert ask(url, "/healthz") == (503, "judge stands still\n")
        assert ask(url, "/readyz") == (200, "ok\n")
        problems.clear()
        assert ask(url, "/healthz") == (200, "ok\n")


def test_a_process_is_ready_when_it_has_started() -> None:
    starting = Starting()
    with serving(Metrics(), "127.0.0.1", 0, starting.probes) as url:
        assert ask(url, "/readyz") == (503, "it is still starting\n")
        assert ask(url, "/healthz") == (200, "ok\n")
        starting.done = True
        assert ask(url, "/readyz") == (200, "ok\n")


def test_metrics_are_served_beside_the_probes() -> None:
    with serving(Metrics(), "127.0.0.1", 0) as url:
        status, text = ask(url, "/metrics")
        assert status == 200
        assert "voxwarden_messages_total" in text
        assert ask(url, "/healthz") == (200, "ok\n")


def test_connections_that_ask_nothing_give_way_to_others() -> None:
    before = threading.active_count()
    with serving(Metrics(), "127.0.0.1", 0) as url, ExitStack() as stack:
        address = ("127.0.0.1", urlsplit(url).port or 0)
        idle = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(3 * MOST_CONNECTIONS)]
        idle[-1].sendall(b"GET /m")  # half a request
        assert ask(url, "/healthz") == (200, "ok\n")
        assert [each.recv(1) for each in idle[:MOST_CONNECTIONS]] == [b""] * MOST_CONNECTIONS
        while threading.active_count() > before + MOST_CONNECTIONS + 1:
            threading.Event().wait(0.01)


def test_the_error_names_a_port_in_use() -> None:
    with serving(Metrics(), "127.0.0.1", 0) as url:
        port = urlsplit(url).port or 0
        with (
            pytest.raises(DependencyError, match=f"cannot listen on 127.0.0.1:{port}"),
            serving(Metrics(), "127.0.0.1", port),
        ):
            pass
