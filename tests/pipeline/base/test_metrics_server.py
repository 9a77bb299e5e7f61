"""Metrics and probes are served on one port."""

import socket
from contextlib import ExitStack
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pipeline.base import metrics_server
from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import Starting, serving


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


def test_the_error_names_a_port_in_use() -> None:
    with serving(Metrics(), "127.0.0.1", 0) as url:
        port = urlsplit(url).port or 0
        with (
            pytest.raises(DependencyError, match=f"cannot listen on 127.0.0.1:{port}"),
            serving(Metrics(), "127.0.0.1", port),
        ):
            pass


def test_silent_connections_end_and_only_so_many_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(metrics_server, "MOST_OPEN", 2)
    with serving(Metrics(), "127.0.0.1", 0) as url, ExitStack() as stack:
        address = "127.0.0.1", urlsplit(url).port
        silent = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(3)]
        assert silent[2].recv(1) == b""
        assert [each.recv(1) for each in silent[:2]] == [b"", b""]
        assert ask(url, "/healthz") == (200, "ok\n")
