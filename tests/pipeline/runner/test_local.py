"""The local runner keeps messages in order, applies backpressure, and finishes all work before it ends."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from pipeline.base.errors import AudioError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk, EarlyUtterance, SpeechStatus, Utterance
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import AUDIO, EARLY, SEGMENT, Stage, Topic
from pipeline.runner import local
from pipeline.runner.local import QUEUE_BATCHES, LocalRunner
from pipeline.settings import ReaderSettings, Settings
from tests.builders import utterance

Chunks = Processor[AudioChunk, AudioChunk]


def chunk(sequence: int) -> AudioChunk:
    return AudioChunk(room="r", speaker="s", start=float(sequence), sequence=sequence)


class Forward(Chunks):
    """Returns each message unchanged, and remembers the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.ticks: list[float] = []
        self.closed = False

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        self.batches.append([chunk.sequence for chunk in batch])
        return list(batch)

    def tick(self, now: float) -> list[AudioChunk | Rejected]:
        self.ticks.append(now)
        return []

    def close(self) -> None:
        self.closed = True


class Hold(Forward):
    """Returns nothing until the stream ends."""

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        super().process(batch)
        return []

    def drain(self) -> list[AudioChunk | Rejected]:
        return [chunk(number) for batch in self.batches for number in batch]


class Gate(Forward):
    """Blocks until the test opens it."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        self.reached.set()
        self.open.wait()
        return super().process(batch)


class Flaky(Forward):
    """A dependency that answers at the `n`-th attempt."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        if self.failures:
            self.failures -= 1
            raise DependencyError("The store does not answer", "Start it.")
        return super().process(batch)


class Broken(Chunks):
    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        raise OSError("no disk")


class BrokenGate(Gate):
    """Fails when the test opens it."""

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        self.open.wait()
        raise OSError("no disk")


class Fussy(Forward):
    """Has a bug that one number triggers."""

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        return [c for c in batch if c.sequence != 3 or 1 // 0]


class Choosy(Forward):
    """Rejects odd numbers."""

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
        return [Rejected(c, AudioError("An odd chunk")) if c.sequence % 2 else c for c in batch]


class Seen:
    """A tap that records the outputs of each stage."""

    def __init__(self) -> None:
        self.outputs: dict[str, list[Any]] = {}

    def __call__(self, stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.outputs.setdefault(stage.name, []).extend(outputs)

    def numbers(self, stage: str) -> list[int]:
        return [output.sequence for output in self.outputs.get(stage, []) if isinstance(output, AudioChunk)]


Make = Callable[..., LocalRunner]


def chain(length: int, batch: int) -> list[Stage]:
    """A chain of stages that pass audio chunks."""
    topics = [AUDIO, *(Topic(f"topic{n}", AudioChunk, 1) for n in range(1, length))]
    return [
        Stage(f"stage{n}", (topics[n],), tuple(topics[n + 1 : n + 2]), "unused:unused", batch, 0.0)
        for n in range(length)
    ]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Builds a runner with one stage for each of the test's processors."""

    def runner(processors: Sequence[Chunks], seen: Seen, batch: int = 4, **options: Any) -> LocalRunner:
        stages = chain(len(processors), batch)
        by_name = {stage.name: made for stage, made in zip(stages, processors, strict=True)}
        options |= {"stages": stages, "build": lambda stage, *_: by_name[stage.name]}
        return LocalRunner(Settings(), options.pop("metrics", Metrics()), seen, **options)

    return runner


async def feed(runner: LocalRunner, count: int) -> None:
    async with runner:
        for number in range(count):
            await runner.put(chunk(number))


async def test_messages_pass_every_stage_in_order(make: Make) -> None:
    first, second, seen = Forward(), Forward(), Seen()
    await feed(make([first, second], seen), 50)
    assert seen.numbers("stage1") == list(range(50))
    assert max(map(len, first.batches)) <= 4
    assert first.closed
    assert second.closed


async def test_held_messages_are_returned_at_the_end(make: Make) -> None:
    seen = Seen()
    await feed(make([Hold(), Forward()], seen), 10)
    assert seen.numbers("stage1") == list(range(10))


class Announce(Processor[AudioChunk, AudioChunk | EarlyUtterance]):
    """Returns each message with an early one before it."""

    def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | EarlyUtterance | Rejected]:
        return [each for c in batch for each in (EarlyUtterance(room="r", speaker="s", start=0, end=1, id="1"), c)]


class Ahead(Gate):
    """Works when the second early message has come."""

    early_messages = 0

    def early(self, messages: Sequence[Any]) -> None:
        self.early_messages += len(messages)
        if self.early_messages == 2:
            self.open.set()


async def test_a_stage_gets_early_messages_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = chain(2, 1)
    stages = [replace(first, gives=(*first.gives, EARLY)), replace(second, early=EARLY)]
    ahead = Ahead()
    made: dict[str, Processor[Any, Any]] = {"stage0": Announce(), "stage1": ahead}
    runner = LocalRunner(Settings(), Metrics(), Seen(), stages=stages, build=lambda stage, *_: made[stage.name])
    await feed(runner, 2)
    assert ahead.batches == [[0], [1]]


class Picky(Forward):
    """Is ready with an odd number only after the even numbers that came later."""

    def ready(self, messages: Sequence[AudioChunk]) -> list[AudioChunk]:
        even = [each for each in messages if each.sequence % 2 == 0]
        return even or (list(messages) if len(messages) > 2 else [])


async def test_messages_wait_until_their_stage_is_ready_for_them(make: Make) -> None:
    picky, last, seen = Picky(), Forward(), Seen()
    await feed(make([picky, last], seen, batch=1), 10)
    assert seen.numbers("stage1") == [0, 2, 4, 1, 3, 5, 6, 8, 7, 9]


async def test_files_are_processed_in_order_without_asking(make: Make) -> None:
    seen = Seen()
    await feed(make([Picky()], seen, clock=None), 10)
    assert seen.numbers("stage0") == list(range(10))


async def test_a_slow_stage_makes_the_source_wait(make: Make) -> None:
    gate, seen = Gate(), Seen()
    room_for = 4 * QUEUE_BATCHES + 4  # the queue, and the batch that the stage works on
    async with make([gate], seen) as runner:
        puts = [asyncio.create_task(runner.put(chunk(number))) for number in range(room_for + 5)]
        await asyncio.wait(puts, timeout=0.2)
        waiting = sum(not put.done() for put in puts)
        gate.open.set()
        await asyncio.gather(*puts)
    assert waiting >= 5
    assert seen.numbers("stage0") == list(range(room_for + 5))


async def test_the_messages_that_wait_are_counted_while_a_stage_hangs(make: Make) -> None:
    """Otherwise nothing shows that it hangs."""
    gate, metrics = Gate(), Metrics()
    async with make([gate], Seen(), metrics=metrics) as runner:
        await runner.put(chunk(0))
        await asyncio.to_thread(gate.reached.wait)
        for sequence in (1, 2):
            await runner.put(chunk(sequence))
        waiting = metrics.registry.get_sample_value("voxwarden_queue_messages", {"stage": "stage0"})
        gate.open.set()
    assert waiting == 2


async def test_a_dependency_is_retried(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "RETRY_SECONDS", (0, 0, 0))
    seen = Seen()
    await feed(make([Flaky(3)], seen), 5)
    assert seen.numbers("stage0") == list(range(5))


async def test_a_dependency_that_stays_down_ends_the_runner(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "RETRY_SECONDS", (0, 0))
    with pytest.raises(DependencyError, match="The store does not answer"):
        await feed(make([Flaky(4)], Seen()), 5)


async def test_a_bug_rejects_only_the_message_that_triggers_it(make: Make) -> None:
    seen = Seen()
    await feed(make([Fussy(), Forward()], seen), 6)
    assert seen.numbers("stage1") == [0, 1, 2, 4, 5]
    (rejected,) = [each for each in seen.outputs["stage0"] if isinstance(each, Rejected)]
    assert "unexpected ZeroDivisionError" in str(rejected.error)


async def test_a_failing_stage_ends_the_runner_even_while_the_source_waits(make: Make) -> None:
    with pytest.raises(OSError, match="no disk"):
        await feed(make([Forward(), Broken()], Seen()), 1_000)


async def test_a_failure_while_the_end_waits_for_a_full_queue_is_raised(make: Make) -> None:
    gate = BrokenGate()
    asyncio.get_running_loop().call_later(0.1, gate.open.set)
    with pytest.raises(OSError, match="no disk"):
        await feed(make([gate], Seen()), 4 * QUEUE_BATCHES + 4)  # the batch that the stage works on, and a full queue


async def test_no_source_waits_for_ever_after_a_stage_fails(make: Make) -> None:
    """The gateway waits for its connections before it closes, and a connection may wait for space in the queue."""
    gate = BrokenGate()
    asyncio.get_running_loop().call_later(0.1, gate.open.set)
    runner, told = make([gate], Seen()), []

    async def serve() -> None:
        async with runner:
            puts = [asyncio.create_task(runner.put(chunk(number))) for number in range(3 * 4 * QUEUE_BATCHES)]
            try:
                await asyncio.Event().wait()
            finally:
                told.extend(await asyncio.gather(*puts, return_exceptions=True))

    with pytest.raises(OSError, match="no disk"):
        await serve()
    assert sum(isinstance(error, DependencyError) for error in told) == 2 * 4 * QUEUE_BATCHES - 4
    with pytest.raises(DependencyError, match="a stage has failed"):
        await runner.put(chunk(0))


async def test_the_error_of_a_stage_that_cannot_start_is_raised() -> None:
    stage = replace(SEGMENT, build="pipeline.nowhere:build")
    with pytest.raises(ModuleNotFoundError, match=r"pipeline\.nowhere"):
        await feed(LocalRunner(Settings(), Metrics(), Seen(), stages=[stage]), 1)


async def test_rejected_messages_are_counted_and_the_others_continue(make: Make) -> None:
    metrics, seen = Metrics(), Seen()
    await feed(make([Choosy(), Forward()], seen, metrics=metrics), 6)
    assert seen.numbers("stage1") == [0, 2, 4]
    assert metrics.registry.get_sample_value("voxwarden_dead_letters_total", {"stage": "stage0"}) == 3


async def test_an_idle_stage_is_ticked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TICK_SECONDS", 0.01)
    idle = Forward()
    async with make([idle], Seen(), clock=lambda: 42.0):
        while not idle.ticks:  # noqa: ASYNC110 - waits for the runner's own timer
            await asyncio.sleep(0.01)
    assert set(idle.ticks) == {42.0}


async def test_steady_traffic_does_not_stop_the_ticks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TICK_SECONDS", 0.01)
    busy = Forward()
    async with make([busy], Seen(), clock=lambda: 42.0) as runner:
        number = 0
        while len(busy.ticks) < 3:
            await runner.put(chunk(number))
            await asyncio.sleep(0.002)
            number += 1
    assert sum(map(len, busy.batches)) == number


async def ticks_with_a_queue_that_is_never_empty(busy: Forward, runner: LocalRunner) -> list[float]:
    async with runner:
        for number in range(10 * 4 * QUEUE_BATCHES):
            await runner.put(chunk(number))
        return list(busy.ticks)


async def test_a_queue_that_is_never_empty_does_not_stop_the_ticks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TICK_SECONDS", 0.0)
    busy = Forward()
    runner = make([busy], Seen(), clock=lambda: 42.0)
    assert set(await ticks_with_a_queue_that_is_never_empty(busy, runner)) == {42.0}


async def test_a_backlog_stops_the_ticks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audio of a speaker who seems silent may be in the backlog."""
    monkeypatch.setattr(local, "TICK_SECONDS", 0.0)
    busy, seconds = Forward(), count(0, 10)
    runner = make([busy], Seen(), clock=lambda: float(next(seconds)))
    assert await ticks_with_a_queue_that_is_never_empty(busy, runner) == []


async def test_files_are_processed_without_ticks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TICK_SECONDS", 0.001)
    idle = Forward()
    async with make([idle], Seen(), clock=None):
        await asyncio.sleep(0.05)
    assert idle.ticks == []


class SparedGate(Gate):
    """Counts the messages that are left out."""

    left_out = 0

    def spared(self) -> None:
        self.left_out += 1


async def test_audio_that_a_stage_spares_is_dropped_so_that_nothing_waits_for_it() -> None:
    """Of two stages that take the audio, one stands still. The other gets all of it."""
    slow, quick, seen = SparedGate(), Forward(), Seen()
    ends = replace(SEGMENT, gives=(), takes=(AUDIO,), batch=1, wait_seconds=0)
    stages = [replace(ends, name="judge", spares=True), replace(ends, name="segment")]
    runner = LocalRunner(
        Settings(), Metrics(), seen, stages=stages, build=lambda stage, *_: slow if stage.spares else quick
    )
    async with runner:
        for number in range(200):
            await runner.put(chunk(number))
        slow.open.set()
    assert seen.numbers("segment") == list(range(200))
    assert slow.left_out > 0
    assert len(seen.numbers("judge")) == 200 - slow.left_out


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
async def test_a_stage_that_nothing_waits_for_lets_the_others_go_first() -> None:
    niceness: dict[str, int] = {}

    def processor(stage: Stage, *_: object) -> Forward:
        niceness[stage.name] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return Forward()

    stages = [replace(SEGMENT, name="judge", spares=True, gives=()), replace(SEGMENT, gives=())]
    await feed(LocalRunner(Settings(), Metrics(), Seen(), stages=stages, build=processor), 1)
    assert niceness["judge"] > niceness["segment"]


async def test_outputs_that_a_stage_spares_hold_up_no_other_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stages take what the first one gives. One of them stands still, and the other gets all of it."""
    first, last = chain(2, 1)
    slow, seen, all_here, loop = SparedGate(), Seen(), asyncio.Event(), asyncio.get_running_loop()

    class Last(Forward):
        def process(self, batch: Sequence[AudioChunk]) -> list[AudioChunk | Rejected]:
            if batch[-1].sequence == 99:
                loop.call_soon_threadsafe(all_here.set)
            return super().process(batch)

    stages = [first, replace(last, name="judge", spares=True), replace(last, name="deliver")]
    runner = LocalRunner(
        Settings(), Metrics(), seen, stages=stages, build=lambda stage, *_: slow if stage.spares else Last()
    )
    async with runner:
        for number in range(100):
            await runner.put(chunk(number))
        await all_here.wait()
        slow.open.set()
    assert slow.left_out > 0
    assert seen.numbers("deliver") == list(range(100))
    assert len(seen.numbers("judge")) == 100 - slow.left_out


async def test_a_stage_that_is_off_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = chain(2, 1)
    made: list[str] = []

    def processor(stage: Stage, *_: object) -> Forward:
        made.append(stage.name)
        return Forward()

    stages = [first, replace(last, switch="reader.url")]
    await feed(LocalRunner(Settings(), Metrics(), Seen(), stages=stages, build=processor), 3)
    assert made == ["stage0"]
    on = Settings(reader=ReaderSettings(url="https://127.0.0.1/v1", model="m"))
    await feed(LocalRunner(on, Metrics(), Seen(), stages=stages, build=processor), 3)
    assert sorted(made) == ["stage0", "stage0", "stage1"]


async def test_a_stage_that_spares_live_audio_takes_all_of_a_recording() -> None:
    seen = Seen()
    stage = replace(SEGMENT, gives=(), takes=(AUDIO,), batch=1, wait_seconds=0, spares=True)
    runner = LocalRunner(Settings(), Metrics(), seen, stages=[stage], clock=None, build=lambda *_: Forward())
    async with runner:
        for number in range(300):
            await runner.put(chunk(number))
    assert seen.numbers("segment") == list(range(300))


class Cut(Processor[AudioChunk, Utterance]):
    """Cuts an utterance from each batch, at each tick and at the end."""

    def process(self, batch: Sequence[AudioChunk]) -> list[Utterance | Rejected]:
        return [utterance("batch")]

    def tick(self, now: float) -> list[Utterance | Rejected]:
        return [utterance("tick")]

    def drain(self) -> list[Utterance | Rejected]:
        return [utterance("drain")]


async def test_each_utterance_has_a_status_whenever_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "TICK_SECONDS", 0.001)
    seen = Seen()
    async with LocalRunner(Settings(), Metrics(), seen, stages=[SEGMENT], build=lambda *_: Cut()) as runner:
        await runner.put(chunk(0))
        await asyncio.sleep(0.05)
    outputs = seen.outputs["segment"]
    cut = [each.id for each in outputs if isinstance(each, Utterance)]
    assert {*cut} == {"batch", "tick", "drain"}
    assert [each.utterance for each in outputs if isinstance(each, SpeechStatus)] == cut
