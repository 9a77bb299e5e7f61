"""The probes of a real worker: it becomes ready, then it hangs while its heartbeats continue."""

import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

from pipeline.contract.topology import FLAGS, TRANSCRIPTS
from pipeline.settings import Settings
from tests.builders import transcript
from tests.ports import free_port
from tests.stream.kafka_io import PATIENCE_SECONDS, put, wait_for
from tests.stream.processes import worker

pytestmark = pytest.mark.broker


def ask(port: int, path: str) -> tuple[int, str]:
    """Return status and text; status 0 if the port is closed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()


def until(port: int, path: str, status: int, alive: Callable[[], None]) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found, text = ask(port, path)
        if found == status:
            return text
        alive()
        assert time.monotonic() < deadline, f"{path} stays {found}: {text}"
        time.sleep(0.2)


def test_a_worker_that_hangs_fails_its_liveness_probe(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setattr("tests.stream.processes.environment", with_port(port))
    with worker(settings, tmp_path / "log", "tests.stream.stalled") as process:
        until(port, "/readyz", 200, process.running)
        put(settings, TRANSCRIPTS, [transcript("fine", number) for number in range(5)])
        wait_for(settings, FLAGS, lambda flags: len(flags) >= 5, process.running)
        assert ask(port, "/healthz") == (200, "ok\n")
        put(settings, TRANSCRIPTS, [transcript("hang", 5), transcript("fine", 6)])
        reason = until(port, "/healthz", 503, process.running)
        assert reason.startswith("judge has waiting records and has committed nothing for")
        assert ask(port, "/readyz")[0] == 200
        figures = ask(port, "/metrics")[1]
        assert 'voxwarden_lag_messages{stage="judge"} 2.0' in figures
        process.kill()


def with_port(port: int) -> Callable[[Settings], dict[str, str]]:
    from tests.stream.processes import environment

    return lambda settings: environment(settings) | {"VOXWARDEN_METRICS__PORT": str(port)}
