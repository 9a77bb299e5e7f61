import asyncio
import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk, Transcript, Utterance
from pipeline.contract.stage import Backlog, Processor, Rejected
from pipeline.contract.topology import SEGMENT, TRANSCRIBE, Stage
from pipeline.runner.local import QUEUE_BATCHES, LocalRunner
from pipeline.settings import Asr, Overload, RoomShare, Settings
from pipeline.speech import load_shedding
from pipeline.speech.asr.transcribe_stage import Transcribe
from pipeline.speech.load_shedding import Shedding, Valve
from tests.pipeline.speech.asr.parts import Scripted, recognition, utterance

OVERLOAD = Overload(
    start_seconds=10,
    room_types=(RoomShare(name="game", share=0), RoomShare(name="default", share=0.25)),
)


@pytest.fixture(autouse=True, scope="module")
def _short_times() -> Iterator[None]:
    """Speech is as late as can be after 20 s, and the pressure falls within 30 s."""
    with patch.multiple(load_shedding, FULL_TIMES=2.0, RECOVER_SECONDS=30.0):
        yield


class Clock:
    """A clock in UTC seconds that the test moves. It starts at 1,000."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Inner(Processor[Utterance, Transcript]):
    """Transcribes at once, or in `seconds` per utterance by the test's clock. Rejects utterances without audio."""

    def __init__(self, clock: Clock, seconds: float = 0) -> None:
        self._clock, self.seconds = clock, seconds
        self.heard: list[str] = []
        self._stage = Transcribe(Scripted([recognition("words")] * 1_000), Asr(), Metrics())

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        self.heard += [each.id for each in batch]
        self._clock.now += self.seconds * len(batch)
        return self._stage.process(batch)


def coverage(metrics: Metrics, room_type: str, result: str) -> float:
    labels = {"room_type": room_type, "result": result}
    return metrics.registry.get_sample_value("voxwarden_coverage_utterances_total", labels) or 0.0


def shedding(clock: Clock, metrics: Metrics, seconds: float = 0) -> tuple[Shedding, Inner]:
    inner = Inner(clock, seconds)
    valve = Valve(OVERLOAD, clock)
    valve.speed.add(64, 64.0)
    return Shedding(inner, valve, metrics, clock), inner


def too_much(waited: float) -> Backlog:
    return Backlog(waited, messages=100, arrivals=math.inf)


def test_everything_is_heard_without_overload() -> None:
    metrics = Metrics()
    made, inner = shedding(Clock(), metrics)
    made.behind(too_much(10))
    found = made.process([utterance(float(n), room_type="game") for n in range(20)])
    assert len(inner.heard) == len(found) == 20
    assert coverage(metrics, "game", "heard") == 20
    assert coverage(metrics, "game", "skipped") == 0


def test_a_skipped_utterance_gives_a_transcript_and_is_not_decoded() -> None:
    metrics = Metrics()
    made, inner = shedding(Clock(), metrics)
    made.behind(too_much(20))
    kinds = ["game", "kids", "game", "kids"]
    batch = [utterance(float(n), room_type=kind, address=f"voice.utterances/0/{n}") for n, kind in enumerate(kinds)]
    game, kids, *_ = found = made.process(batch)
    assert [each.utterance for each in found if isinstance(each, Transcript)] == [each.id for each in batch]
    assert inner.heard == [batch[1].id, batch[3].id]
    assert isinstance(game, Transcript)
    assert isinstance(kids, Transcript)
    assert (game.skipped, game.text, game.address) == (True, "", "voice.utterances/0/0")
    assert (kids.skipped, kids.text) == (False, "words")
    assert (coverage(metrics, "game", "skipped"), coverage(metrics, "other", "heard")) == (2, 2)
    assert coverage(metrics, "kids", "heard") == 0, "room types that the settings do not list share one series"


def test_the_transcript_of_a_skipped_utterance_has_the_usual_id() -> None:
    said = utterance(5.0, room_type="game")
    calm, _ = shedding(Clock(), Metrics())
    hard, _ = shedding(Clock(), Metrics())
    hard.behind(too_much(20))
    (heard,), (unheard,) = calm.process([said]), hard.process([said])
    assert isinstance(heard, Transcript)
    assert isinstance(unheard, Transcript)
    assert heard.id == unheard.id
    assert heard.skipped != unheard.skipped


def test_a_bad_utterance_among_skipped_ones_is_rejected() -> None:
    made, _ = shedding(Clock(), Metrics())
    made.behind(too_much(20))
    broken = utterance(1.0, room_type="kids", data=b"not audio")
    first, second = made.process([utterance(0.0, room_type="game"), broken])
    assert isinstance(first, Transcript)
    assert isinstance(second, Rejected)
    assert second.message is broken


def test_a_quiet_period_ends_the_overload_and_logs_its_counts(caplog: pytest.LogCaptureFixture) -> None:
    clock, metrics = Clock(), Metrics()
    made, _ = shedding(clock, metrics)
    with caplog.at_level(logging.WARNING):
        made.behind(too_much(20))
        made.process([utterance(float(n), room_type="game") for n in range(3)])
        clock.now += 15
        made.tick(clock.now)
        assert metrics.registry.get_sample_value("voxwarden_overload_pressure") == pytest.approx(0.5)
        clock.now += 15
        made.tick(clock.now)
    assert metrics.registry.get_sample_value("voxwarden_overload_pressure") == 0
    assert [record.getMessage() for record in caplog.records] == [
        "overload: speech waits for 20 s and more arrives than is heard; some utterances are skipped",
        "overload ended: 0 utterances heard, 3 skipped",
    ]


def test_a_backlog_is_heard_completely_if_the_measured_speed_allows_it() -> None:
    clock, metrics = Clock(), Metrics()
    inner = Inner(clock, seconds=0.25)
    made = Shedding(inner, Valve(OVERLOAD, clock), metrics, clock)
    for first in range(0, 64, 8):
        made.behind(Backlog(600.0, messages=64 - first, arrivals=0.0))
        made.process([utterance(float(n), room_type="game") for n in range(first, first + 8)])
    assert len(inner.heard) == 64
    made.behind(Backlog(600.0, messages=40, arrivals=2.0))
    assert metrics.registry.get_sample_value("voxwarden_catch_up_seconds") == pytest.approx(20)


def test_time_between_batches_counts_in_the_speed() -> None:
    """Both take the same time here. Messages that waited meanwhile show that the worker was not idle."""
    clock = Clock()
    valve = Valve(OVERLOAD, clock)
    made = Shedding(Inner(clock, seconds=0.25), valve, Metrics(), clock)
    for waited, speed in ((600.0, 2.0), (0.0, 4.0)):
        for first in range(0, 320, 8):
            clock.now += 2.0
            made.behind(Backlog(waited, messages=8, arrivals=0.0))
            made.process([utterance(float(n), room_type="game") for n in range(first, first + 8)])
        assert valve.speed.per_second == pytest.approx(speed)


def test_the_coverage_counters_start_at_zero() -> None:
    metrics = Metrics()
    shedding(Clock(), metrics)
    shown = {
        (sample.labels["room_type"], sample.labels["result"]): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "voxwarden_coverage_utterances_total"
    }
    assert shown == dict.fromkeys(
        ((kind, result) for kind in ("game", "default", "other") for result in ("heard", "skipped")), 0.0
    )


class Cut(Processor[AudioChunk, Utterance]):
    """A segment stage that turns each chunk into an utterance."""

    def process(self, batch: Sequence[AudioChunk]) -> list[Utterance | Rejected]:
        return [utterance(chunk.start, 0.3, room_type=chunk.room_type, id=str(chunk.sequence)) for chunk in batch]


class Held(Processor[Utterance, Transcript]):
    """Runs the stage only while its queue is full, so that the backlog does not depend on the machine's speed."""

    def __init__(self, stage: Shedding) -> None:
        self._stage = stage
        self.full: Callable[[], bool] = lambda: True
        self.fed = threading.Event()

    def behind(self, backlog: Backlog) -> None:
        self._stage.behind(backlog)

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        while not (self.full() or self.fed.wait(0.001)):
            pass
        return self._stage.process(batch)

    def tick(self, now: float) -> list[Transcript | Rejected]:
        return self._stage.tick(now)


class Room:
    """The local runner with a recogniser that takes `seconds` per utterance by the test's clock."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, overload: Overload, seconds: float, *, live: bool = True
    ) -> None:
        self.metrics, self.clock = Metrics(), Clock()
        self.inner = Inner(self.clock, seconds)
        self.held = Held(Shedding(self.inner, Valve(overload, self.clock), self.metrics, self.clock))
        self.found: list[Transcript] = []
        # The segment stage has a small queue, so that utterances wait in the recogniser's queue, which holds 32.
        made: dict[str, Processor[Any, Any]] = {SEGMENT.name: Cut(), TRANSCRIBE.name: self.held}
        self.runner = LocalRunner(
            Settings(),
            self.metrics,
            self._tap,
            stages=(replace(SEGMENT, batch=1), replace(TRANSCRIBE, batch=32 // QUEUE_BATCHES)),
            clock=self.clock if live else None,
            build=lambda stage, *_: made[stage.name],
        )
        self.held.full = self.runner._runners[1].queue.full

    def _tap(self, stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        if stage.name == TRANSCRIBE.name:
            self.found += outputs

    async def speak(self, count: int, first: int = 0) -> None:
        """Send `count` utterances, with all room types in turn, and wait until all are processed."""
        self.held.fed.clear()
        for number in range(first, first + count):
            kind = ("game", "default", "kids")[number % 3]
            start = self.clock.now + number
            await self.runner.put(AudioChunk(room="r", speaker="s", room_type=kind, start=start, sequence=number))
        self.held.fed.set()
        while len(self.found) < first + count:  # noqa: ASYNC110 - waits for the threads of the stages
            await asyncio.sleep(0.005)

    def heard(self, kind: str) -> list[Transcript]:
        return [each for each in self.found if each.room_type == kind and not each.skipped]


async def test_a_slow_recogniser_sheds_by_room_type_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, OVERLOAD, seconds=4.0)
    async with room.runner:
        await room.speak(300)
        assert [each.utterance for each in room.found] == [str(number) for number in range(300)], "none is lost"
        assert len(room.heard("game")) < len(room.heard("default")) < len(room.heard("kids")) == 100
        assert len(room.heard("default")) >= 10
        metrics = room.metrics
        assert coverage(metrics, "game", "heard") + coverage(metrics, "game", "skipped") == 100
        assert coverage(metrics, "game", "skipped") == 100 - len(room.heard("game"))
        assert coverage(metrics, "other", "heard") == 100

        room.inner.seconds = 0.0
        room.clock.now += load_shedding.RECOVER_SECONDS
        before = len(room.heard("game"))
        await room.speak(30, first=300)
    assert len(room.heard("game")) == before + 10, "without load everything is heard again"


async def test_waiting_outside_of_a_full_queue_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a queue of 32 with one second each, nothing waits for a minute. Sources that wait for the full queue do."""
    patient = OVERLOAD.model_copy(update={"start_seconds": 60.0})
    room = Room(monkeypatch, patient, seconds=1.0)
    async with room.runner:
        await room.speak(300)
    assert len(room.heard("game")) < 100
    assert len(room.heard("kids")) == 100


async def test_recordings_are_never_shed(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(monkeypatch, OVERLOAD, seconds=4.0, live=False)
    async with room.runner:
        await room.speak(90)
    assert not any(each.skipped for each in room.found)
