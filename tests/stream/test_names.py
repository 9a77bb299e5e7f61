"""No log holds the name of a room or a speaker, or what was said, even at the level DEBUG, with any library.

Real speech goes through both runners, and with it what they complain about.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from msgspec import structs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agents.run import run
from pipeline.audio.files import chunks_of
from pipeline.dead_letters import DeadLetters
from pipeline.local import LocalRunner
from pipeline.messages import AudioChunk
from pipeline.metrics import Metrics
from pipeline.review.cases import Filters
from pipeline.review.store import open_store
from pipeline.settings import Settings
from pipeline.stage import Rejected
from pipeline.topology import AUDIO, SEGMENT, STAGES, Stage
from tests.agents.test_run import THREAT, Host, spoken
from tests.stream.kafka_io import put
from tests.stream.processes import Process, environment

pytestmark = pytest.mark.weights

ROOM, SPEAKER = "zqroomqz", "zqspeakerqz"
SAID = "kill you"
START = 1_700_000_000.0

LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from agents.cli import main; main()"
"""The command line, with all that any library logs."""


CLIENTS = ("httpx", "httpcore", "websockets.client")
"""The apps and browsers of this test log their requests; they are not ours."""


def names_in(log: str) -> list[str]:
    """The lines that hold a name, or what was said."""
    return [line[:300] for line in log.splitlines() if any(secret in line.lower() for secret in (ROOM, SPEAKER, SAID))]


def unusable() -> list[AudioChunk]:
    """What the segment stage refuses, each in its own way."""
    good = AudioChunk(
        room=ROOM,
        speaker=SPEAKER,
        sequence=1,
        start=START - 100,
        codec="pcm_s16le",
        sample_rate=16_000,
        data=b"\0" * 640,
    )
    return [
        structs.replace(good, data=b"odd"),
        structs.replace(good, codec="opus", sample_rate=48_000, data=b"no opus", start=START - 90),
        structs.replace(good, codec="opus", sample_rate=44_100, data=b"\xf8\xff\xfe", start=START - 80),
        structs.replace(good, codec="container", data=b"no recording", start=START - 70),
    ]


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """All that this process logs, in a file."""
    handler, root = logging.FileHandler(path), logging.getLogger()
    handler.addFilter(lambda record: not record.name.startswith(CLIENTS))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


async def visit(host: Host) -> None:
    """Send what nobody can use, then speak."""
    url = f"ws://127.0.0.1:{host.gateway.port}/v1/rooms/{ROOM}/speakers/{SPEAKER}/audio"
    token = {"Authorization": f"Bearer {host.gateway.generated_token}"}
    with suppress(ConnectionClosed):
        async with connect(f"{url}?codec=opus", additional_headers=token) as socket:
            for _ in range(5):
                await socket.send(b"no opus")
            await asyncio.sleep(1)
    pcm = spoken()
    async with connect(f"{url}?sample_rate=16000", additional_headers=token) as socket:
        for at in range(0, len(pcm), 6_400):
            await socket.send(pcm[at : at + 6_400])


async def look(host: Host) -> None:
    assert host.console is not None
    assert host.console.login is not None
    name, password = host.console.login
    async with httpx.AsyncClient(base_url=host.console.url, timeout=60) as client:
        await client.post("/login", data={"name": name, "password": password})
        for path in (f"/queue?room={ROOM}", f"/queue?speaker={SPEAKER}&label=%00"):
            await client.get(path)


@pytest.mark.timeout(300)
async def test_the_one_machine_runner_logs_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for section in ("GATEWAY", "METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{section}__PORT", "0")
    settings, host, stop = Settings(data_dir=tmp_path), Host(), asyncio.Event()
    with recorded(tmp_path / "log"):
        running = asyncio.create_task(run(settings, host, stop))
        await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        await visit(host)
        await look(host)
        stop.set()
        await running
        store = open_store(settings)
        assert [(case.room, case.speaker) for case in store.cases(Filters())] == [(ROOM, SPEAKER)]
        store.close()
    log = (tmp_path / "log").read_text()
    assert "stopping" in log
    assert names_in(log) == []


async def test_what_the_one_machine_runner_refuses_is_logged_without_names(tmp_path: Path) -> None:
    settings, letters = Settings(data_dir=tmp_path), DeadLetters(tmp_path / "letters")

    def tap(stage: Stage, batch: Sequence[object], outputs: Sequence[object]) -> None:
        del batch
        for output in outputs:
            if isinstance(output, Rejected):
                letters.add(stage.name, output)

    with recorded(tmp_path / "log"):
        async with LocalRunner(settings, Metrics(), tap, stages=(SEGMENT,), clock=None) as runner:
            for chunk in unusable():
                await runner.put(chunk)
    log = (tmp_path / "log").read_text()
    assert "segment: Chunk 1 at " in log
    assert names_in(log) == []
    assert ROOM in (tmp_path / "letters").read_text(), "the letter tells whose it is"


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_workers_on_kafka_log_no_names(settings: Settings, tmp_path: Path) -> None:
    put(settings, AUDIO, [*unusable(), *chunks_of(THREAT, ROOM, SPEAKER, start=START)])
    settings = settings.model_copy(update={"asr": settings.asr.model_copy(update={"model": "tiny.en"})})
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(role.name, settings, tmp_path / role.name)) for role in STAGES]
        _wait_for_case(settings, workers)
        assert [worker.stop() for worker in workers] == [0] * len(workers)
        logs = "".join(worker.log for worker in workers)
    assert "DEBUG:" in logs
    assert names_in(logs) == []


@contextmanager
def _worker(role: str, settings: Settings, output: Path) -> Iterator[Process]:
    command = [sys.executable, "-c", LOUD, "-v", "worker", role]
    process = Process(command, os.environ | environment(settings), output)
    try:
        yield process
    finally:
        process.close()


def _wait_for_case(settings: Settings, workers: Sequence[Process]) -> None:
    """Until the speech is a case with its clip."""
    store = open_store(settings)
    while not any(store.case(case.id).evidence for case in store.cases(Filters())):
        for worker in workers:
            worker.running()
        time.sleep(0.5)
    store.close()
