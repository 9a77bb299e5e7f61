"""The bundled rooms play at any speed, and the displayed times are correct."""

import pytest
from msgspec import structs
from rich.console import Console

from agents.commands import table
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.runner import demo_rooms
from pipeline.runner.demo_rooms import DemoPlayback
from pipeline.settings import Settings
from pipeline.speech.audio import segment_stage
from tests.builders import flag

START = 1_000.0


@pytest.mark.parametrize(("speed", "clock"), [(1.0, 1_010.0), (2.0, 1_005.0), (0.5, 1_020.0)])
def test_ten_seconds_of_speech_are_played_at_the_given_speed(speed: float, clock: float) -> None:
    assert DemoPlayback(START, speed).played_at(START + 10) == clock


def test_the_displayed_latency_is_measured_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    said = structs.replace(flag(), start=START, end=START + 10)
    monkeypatch.setattr("time.time", lambda: START + 6.5)
    console = Console(width=100)
    with console.capture() as shown:
        console.print(table.arrived_row(said, DemoPlayback(START, 2.0).played_at(said.end)))
    assert "+1.5 s" in shown.get()


async def test_each_chunk_comes_when_its_speech_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's clock advances only while a task sleeps."""
    now = [START]

    async def sleep(seconds: float) -> None:
        now[0] = max(now[0], now[0] + seconds)

    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("asyncio.sleep", sleep)
    late: list[float] = []

    async def put(chunk: AudioChunk) -> None:
        late.append(now[0] - (START + (chunk.start + demo_rooms.CHUNK_SECONDS - START) / 4))

    await demo_rooms._play_track(demo_rooms.tracks()[0], put, DemoPlayback(START, 4.0))
    assert len(late) > 100
    assert max(map(abs, late)) < 0.001


@pytest.mark.parametrize("now", [1_790_000_000.25, 1_790_000_001.0])
async def test_the_utterances_do_not_depend_on_when_the_demo_starts(now: float) -> None:
    start = demo_rooms.next_start(now)
    assert 0 <= start - now < 1.1
    assert (await _lengths(start)) == (await _lengths(demo_rooms.next_start(now + 37.7)))


async def _lengths(start: float) -> list[tuple[float, float]]:
    """The utterances of the first demo recording: seconds from the start of the playback, and length."""
    stage, found = segment_stage.build(Settings(), Metrics()), list[Utterance]()

    async def put(chunk: AudioChunk) -> None:
        found.extend(one for one in stage.process([chunk]) if isinstance(one, Utterance))

    await demo_rooms._play_track(demo_rooms.tracks()[0], put, DemoPlayback(start, 1e9))
    return [(round(one.start - start, 3), round(one.end - one.start, 3)) for one in found]
