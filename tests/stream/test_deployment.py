"""The services of deploy/compose.yaml run as plain processes: live audio goes in, and a case with a clip comes out."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import pytest
from websockets.sync.client import connect

from pipeline.audio.files import chunks_of
from pipeline.messages import SAMPLE_RATE
from pipeline.review.cases.values import Case, Filters
from pipeline.review.database import Database
from pipeline.review.store import SqlReviewStore
from tests.broker import ROOT
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.stack import SECRETS, stack
from tests.pipeline.review import postgres
from tests.ports import free_port
from tests.stream.processes import Process

pytestmark = [pytest.mark.broker, pytest.mark.weights]

VOICE = ROOT / "pipeline" / "demo" / "lounge-ben.ogg"
"""A speaker of the demo: a threat among harmless sentences."""
FROM, TO = 18.0, 30.0
"""Length in seconds."""
PATIENCE_SECONDS = 120
SPEED = 2.0


class Role:
    """A service of the compose file with its own command and environment. Only the addresses are changed."""

    def __init__(self, name: str, folder: Path, addresses: dict[str, str]) -> None:
        variables = SECRETS | {"ASR_MODEL": "tiny.en", "KAFKA_PARTITIONS": "2"}
        service = stack(variables)["services"][name]
        self.port, self.metrics_port = free_port(), free_port()
        written = {key: str(value) for key, value in service["environment"].items()}
        here = {key: value for key, value in addresses.items() if key in written}
        given = {
            "VOXWARDEN_DATA_DIR": str(folder / "voxwarden"),
            "VOXWARDEN_KAFKA__PREFIX": addresses["VOXWARDEN_KAFKA__PREFIX"],
            "VOXWARDEN_GATEWAY__PORT": str(self.port),
            "VOXWARDEN_CONSOLE__PORT": str(self.port),
            "VOXWARDEN_METRICS__PORT": str(self.metrics_port),
            "OMP_NUM_THREADS": "2",
            "SSL_CERT_FILE": os.devnull,  # see processes.py
            "PATH": os.environ["PATH"],
        }
        command = [sys.executable, "-m", "agents", *service["command"]]
        self.process = Process(command, written | here | given, folder / f"{name}.log")


@pytest.fixture
def store_url() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def speak(port: int) -> None:
    """Send audio as in docs/integrate.md, twice as fast as speech, which is the gateway's limit."""
    url = f"ws://127.0.0.1:{port}/v1/rooms/lounge/speakers/ben/audio?codec=pcm_s16le&sample_rate=16000"
    headers = {"Authorization": f"Bearer {SECRETS['VOXWARDEN_TOKEN']}"}
    with connect(url, additional_headers=headers, proxy=None) as connection:
        for chunk in chunks_of(VOICE, "lounge", "ben"):
            if chunk.data and FROM <= chunk.start < TO:
                connection.send(chunk.data)
                time.sleep(len(chunk.data) / (2 * SAMPLE_RATE) / SPEED)


def clips_of(url: str, alive: Callable[[], None]) -> list[tuple[Case, str]]:
    """Wait for a case with a clip, and return these cases and the paths of their clips."""
    store = SqlReviewStore(Database(url))
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while True:
            files = [store.case(case.id) for case in store.cases(Filters())]
            if found := [(file.case, clip.path) for file in files for clip in file.evidence]:
                return found
            alive()
            assert time.monotonic() < deadline, f"{len(files)} cases, none with a clip"
            time.sleep(0.5)
    finally:
        store.close()


def check_figures(figures: Prometheus, roles: dict[str, Role]) -> None:
    """Check the metrics that operators see."""
    figures.wait_for_all(["voxwarden:speech_to_flag_seconds:p95_5m", "voxwarden:dead_letters:ratio_rate10m"])
    up = {sample["metric"]["role"]: sample["value"][1] for sample in figures.query('up{job="voxwarden"}')}
    assert up == dict.fromkeys(roles, "1")
    [kept] = figures.query("voxwarden_evidence_retention_seconds > 0")
    assert float(kept["value"][1]) == 24 * 3600
    assert figures.query("sum(voxwarden_dead_letters_total)")[0]["value"][1] == "0"
    assert figures.query('ALERTS{alertname=~"VoxwardenWorkerDown|VoxwardenRoleMissing"}') == []


@pytest.mark.timeout(400)
def test_the_compose_file_is_a_working_stack(bootstrap: str, store_url: str, tmp_path: Path) -> None:
    addresses = {
        "VOXWARDEN_KAFKA__BOOTSTRAP": bootstrap,
        "VOXWARDEN_KAFKA__PREFIX": f"{uuid4().hex[:8]}.",
        "VOXWARDEN_STORE__URL": store_url,
        "VOXWARDEN_GATEWAY__HOST": "127.0.0.1",
        "VOXWARDEN_CONSOLE__HOST": "127.0.0.1",
    }
    topics = Role("topics", tmp_path, addresses).process
    assert topics.wait(60) == 0, topics.log
    with ExitStack() as running:
        names = ("gateway", "segment", "transcribe", "judge", "deliver", "console")
        roles = {name: Role(name, tmp_path, addresses) for name in names}
        for role in roles.values():
            running.callback(role.process.close)
        targets = {name: f"127.0.0.1:{role.metrics_port}" for name, role in roles.items()}
        figures = running.enter_context(prometheus(tmp_path, targets))
        figures.wait_for_all([f'up{{role="{name}"}} == 1' for name in roles])
        speak(roles["gateway"].port)

        def alive() -> None:
            for role in roles.values():
                role.process.running()

        clips = clips_of(store_url, alive)
        with urlopen(f"http://127.0.0.1:{roles['console'].port}/healthz") as answer:
            assert answer.read() == b"ok\n"
        check_figures(figures, roles)
        assert {name: role.process.stop() for name, role in roles.items()} == dict.fromkeys(roles, 0)
    for case, path in clips:
        assert (case.room, case.speaker) == ("lounge", "ben")
        assert (tmp_path / "voxwarden" / "evidence" / path).stat().st_size > 1000
