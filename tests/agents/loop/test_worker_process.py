"""How a worker starts while a dependency is down, and how a worker ends that cannot stop."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import faust
import pytest

from agents.loop.stage_loop import EXIT_UNFINISHED
from agents.loop.worker_process import worker_of
from tests.ports import free_port
from tests.stream.processes import Process

STUCK = """
import asyncio, faust
from agents.loop import worker_process

worker_process.GRACE_SECONDS = 0.2

class Stuck(worker_process.EndingWorker):
    async def on_stop(self):
        await asyncio.Event().wait()

async def stop():
    await Stuck(faust.App("stuck"), override_logging=False, redirect_stdouts=False).stop()

asyncio.run(stop())
"""


def test_a_worker_that_cannot_stop_ends_with_its_batch_unfinished() -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, timeout=60, check=False)
    assert ended.returncode == EXIT_UNFINISHED, ended.stderr.decode()


def test_a_worker_writes_no_terminal_codes(capsys: pytest.CaptureFixture[str]) -> None:
    worker = worker_of(faust.App("plain", store="memory://"))
    asyncio.run(worker.on_startup_finished())
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


AWAY = {
    "VOXWARDEN_KAFKA__BOOTSTRAP": "127.0.0.1:9",
    "VOXWARDEN_KAFKA__CONNECT_SECONDS": "2",
    "VOXWARDEN_STORE__URL": "postgresql://nobody@127.0.0.1:9/none",
}


@pytest.mark.parametrize(
    ("command", "down"),
    [
        (("worker", "deliver"), {"kafka", "database"}),
        (("console",), {"database"}),
        (("api",), {"database"}),
        (("gateway",), set()),
    ],
)
def test_a_worker_that_waits_for_a_dependency_reports_it(
    command: tuple[str, ...], down: set[str], tmp_path: Path
) -> None:
    """It does not end, because it would only be restarted. The liveness probe must not kill it."""
    port, log = free_port(), tmp_path / "log"
    ours = AWAY | {"VOXWARDEN_METRICS__PORT": str(port), "VOXWARDEN_DATA_DIR": str(tmp_path)}
    process = Process([sys.executable, "-m", "agents", *command], os.environ | ours, log)
    wanted = {f'voxwarden_dependency_up{{dependency="{name}"}} 0.0' for name in down}
    deadline = time.monotonic() + 90
    try:
        while not (wanted <= set(get(port, "/metrics")[1].splitlines()) and "not started yet" in process.log):
            process.running()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/readyz")[0] == 503
        assert process.stop() in {0, -signal.SIGTERM}
    finally:
        process.close()
    assert process.log.count("not started yet") == 1
    assert "Traceback" not in process.log


def get(port: int, path: str) -> tuple[int, str]:
    """Return status and text; status 0 if the port is closed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()
