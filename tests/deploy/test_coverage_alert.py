"""A new worker skips speech before the first scrape, and then no more. A real Prometheus and Alertmanager report it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.deploy.files import ROOT
from tests.deploy.notified import OnCall, notifying
from tests.deploy.prometheus import Prometheus
from tests.ports import free_port

PATIENCE_SECONDS = 90

WORKER = """
import sys, time
from pipeline.speech.asr.transcripts import wordless
from pipeline.contract.messages import Utterance
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.speech.load_shedding import Shedding, Valve
from pipeline.settings import Overload, RoomShare
from pipeline.contract.stage import Backlog, Processor

class Recogniser(Processor):
    def process(self, batch):
        return [wordless(utterance, model="none") for utterance in batch]

metrics = Metrics()
valve = Valve(Overload(room_types=(RoomShare(name="game", share=0),)))
valve.speed.add(64, 64.0)
stage = Shedding(Recogniser(), valve, metrics)
kinds = ["game"] * 5 + ["kids"] * 5
batch = [Utterance(room="r", speaker="s", room_type=kind, start=0, end=1, id=f"{n}") for n, kind in enumerate(kinds)]
if sys.argv[2] == "late":
    stage.behind(Backlog(waited=900, messages=10, arrivals=9.0))
stage.process(batch)
with serving(metrics, "127.0.0.1", int(sys.argv[1])):
    time.sleep(600)
"""


Seen = tuple[subprocess.Popen[bytes], OnCall, Prometheus]


@contextmanager
def seen(how: str, folder: Path) -> Iterator[Seen]:
    """Run a worker that Prometheus scrapes, and collect the notifications."""
    port, on_call = free_port(), OnCall()
    with subprocess.Popen([sys.executable, "-c", WORKER, str(port), how], cwd=ROOT) as worker:
        try:
            with notifying(folder, {"transcribe": f"127.0.0.1:{port}"}, on_call, factor=10) as figures:
                yield worker, on_call, figures
        finally:
            worker.kill()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    """Run both at the same time. Each mostly waits."""
    with ExitStack() as stack:
        yield {how: stack.enter_context(seen(how, tmp_path_factory.mktemp("seen"))) for how in ("late", "on time")}


@pytest.mark.parametrize("how", ["late", "on time"])
def test_the_first_skips_of_a_new_worker_raise_an_alert_although_nobody_speaks_later(
    how: str, both: dict[str, Seen]
) -> None:
    worker, on_call, figures = both[how]
    figures.wait_for_all(['voxwarden:coverage:ratio10m{room_type="other"} == 1', "voxwarden:coverage:ratio10m"])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ("VoxwardenRoleMissing", "gateway") not in on_call.names or (
        how == "late" and ("VoxwardenCoverage", "game") not in on_call.names
    ):
        assert worker.poll() is None
        assert time.monotonic() < deadline, on_call.names
        time.sleep(0.2)
    found = {about for name, about in on_call.names if name == "VoxwardenCoverage"}
    assert found == ({"game"} if how == "late" else set())
