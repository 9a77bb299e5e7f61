"""The same audio gives the same flags in one process and through Kafka with Faust."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeline.audio.files import chunks_of
from pipeline.events import decode
from pipeline.local import LocalRunner
from pipeline.messages import AudioChunk, Flag
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.topology import AUDIO, FLAGS, JUDGE, SEGMENT, TRANSCRIBE, Stage
from tests.broker import ROOT
from tests.stream.kafka_io import put, wait_for
from tests.stream.processes import worker

pytestmark = [pytest.mark.broker, pytest.mark.weights]

START = 1_700_000_000.0
VOICES = {
    ("lobby", "ann"): ROOT / "tests" / "data" / "demo-echotest.flac",
    ("lobby", "bob"): ROOT / "pipeline" / "demo" / "lounge-ben.ogg",
    ("attic", "eve"): ROOT / "tests" / "data" / "tt-weasels.flac",
}
STAGES = (SEGMENT, TRANSCRIBE, JUDGE)


def audio() -> list[AudioChunk]:
    """All speakers at once, as a live room has them."""
    streams = [chunks_of(path, room, speaker, start=START) for (room, speaker), path in VOICES.items()]
    return sorted((chunk for stream in streams for chunk in stream), key=lambda chunk: chunk.start)


async def locally(settings: Settings) -> list[Flag]:
    flags: list[Flag] = []

    def tap(stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        del batch
        if stage is JUDGE:
            flags.extend(outputs)

    async with LocalRunner(settings, Metrics(), tap, stages=STAGES, clock=None) as runner:
        for chunk in audio():
            await runner.put(chunk)
    return flags


def on_kafka(settings: Settings, count: int, logs: Path) -> list[Flag]:
    """Through one worker a role, until `count` flags are there."""
    put(settings, AUDIO, audio())
    with ExitStack() as stack:
        workers = [
            stack.enter_context(worker(settings, logs / role.name, "agents", "worker", role.name)) for role in STAGES
        ]

        def alive() -> None:
            for process in workers:
                process.running()

        records = wait_for(settings, FLAGS, lambda found: len(found) >= count, alive)
        assert [process.stop() for process in workers] == [0, 0, 0]
    return [decode(Flag, record.value, record.headers) for record in records]


def comparable(flag: Flag) -> dict[str, Any]:
    """All but where the audio lies; what is computed in batches within a thousandth."""
    fields = structs.asdict(structs.replace(flag, address=None))
    numbers = {name: fields.pop(name) for name in ("risk", "confidence", "labels")}
    return fields | {name: pytest.approx(value, abs=1e-3) for name, value in numbers.items()}


@pytest.mark.timeout(300)
async def test_the_same_audio_gives_the_same_flags(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"asr": settings.asr.model_copy(update={"model": "tiny.en"})})
    here = {flag.id: flag for flag in await locally(settings)}
    there = {flag.id: flag for flag in on_kafka(settings, len(here), tmp_path)}
    assert any(flag.suggestion != "pass" for flag in here.values())
    assert there.keys() == here.keys()
    for id_, flag in here.items():
        found = structs.asdict(structs.replace(there[id_], address=None))
        assert found == comparable(flag)
        assert there[id_].address, "on Kafka, a flag says where its audio lies"
