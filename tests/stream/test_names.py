"""No log holds the name of a room or a speaker, or any speech, even at level DEBUG and with every library.

Real speech goes through both runners, together with records that they complain about.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agents.one_machine import run_one_machine
from pipeline.base.metrics import Metrics
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import SEGMENT, Stage
from pipeline.review.cases.case_values import Filters
from pipeline.review.review_store import open_store
from pipeline.runner.dead_letter_file import DeadLetterFile
from pipeline.runner.local import LocalRunner
from pipeline.settings import Asr, Settings
from tests.agents.test_one_machine import Host, spoken
from tests.stream.moderated import ROOM, SPEAKER, Moderated, unusable
from tests.stream.roles import WORKERS

pytestmark = pytest.mark.weights

SAID = "kill you"

CLIENTS = ("httpx", "httpcore", "websockets.client")
"""The apps and browsers of this test log their requests. These logs are not ours."""


def names_in(log: str) -> list[str]:
    """Return the lines that hold a name or speech."""
    return [line[:300] for line in log.splitlines() if any(secret in line.lower() for secret in (ROOM, SPEAKER, SAID))]


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Write the whole log of this process to a file."""
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
    """Send unusable audio, then speech."""
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
    settings = Settings(data_dir=tmp_path, asr=Asr(model="tiny.en"))
    host, stop = Host(), asyncio.Event()
    with recorded(tmp_path / "log"):
        running = asyncio.create_task(run_one_machine(settings, host, stop))
        await asyncio.wait([running, asyncio.create_task(host.ready.wait())], return_when=asyncio.FIRST_COMPLETED)
        await visit(host)
        await look(host)
        stop.set()
        await running
        with closing(open_store(settings)) as store:
            assert [(case.room, case.speaker) for case in store.cases(Filters())] == [(ROOM, SPEAKER)]
    log = (tmp_path / "log").read_text()
    assert "stopping" in log
    assert names_in(log) == []


async def test_refused_audio_of_the_one_machine_runner_is_logged_without_names(tmp_path: Path) -> None:
    settings, letters = Settings(data_dir=tmp_path), DeadLetterFile(tmp_path / "letters")

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
    assert ROOM in (tmp_path / "letters").read_text(), "the dead letter names its speaker"


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_workers_on_kafka_log_no_names(moderated: Moderated) -> None:
    assert moderated.exits == [0] * len(WORKERS)
    assert "DEBUG:" in moderated.log
    assert names_in(moderated.log) == []
