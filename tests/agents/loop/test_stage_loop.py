"""The loop without a broker: its ticks, its acknowledgements, and when it ends the process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import pytest
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from agents.loop.faust_app import create_faust_app
from agents.loop.health import STALL_SECONDS
from agents.loop.stage_loop import EXIT_UNFINISHED, PATIENCE_TICKS, SEND_AGAIN_SECONDS, StageLoop
from agents.loop.work import BatchWork
from pipeline.base.errors import DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.cloud_events import encode_event
from pipeline.contract.messages import Flag
from pipeline.contract.stage import BEHIND_SECONDS, RETRY_SECONDS, Processor
from pipeline.contract.topology import DELIVER, SEGMENT, Stage
from pipeline.settings import Settings
from tests.builders import flag

NOW = 1_000.0


@dataclass
class Record:
    value: bytes
    headers: list[tuple[str, bytes]]
    offset: int
    timestamp: float = NOW
    partition: int = 0
    topic: str = "voice.flags"
    key: bytes | None = None


@dataclass
class FakeConsumer:
    acknowledged: list[Record] = field(default_factory=list)
    member: bool = True

    async def is_member(self) -> bool:
        return self.member

    def ack(self, record: Record) -> None:
        self.acknowledged.append(record)


async def taken(batches: Sequence[list[Record]], fault: type[BaseException] | None) -> AsyncIterator[list[Record]]:
    for batch in batches:
        yield batch
    if fault:
        raise fault


@dataclass
class Store(Processor[Flag, None]):
    """A stage whose store fails a number of times."""

    outages: int = 0
    fault: Exception = field(default_factory=lambda: DependencyError("The store does not answer"))
    kept: list[Flag] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)

    def process(self, batch: Sequence[Flag]) -> list[Any]:
        if self.outages:
            self.outages -= 1
            raise self.fault
        self.kept += batch
        return []

    def tick(self, now: float) -> list[Any]:
        self.ticks.append(now)
        return []


class Ended(BaseException):
    """The process has ended with this code. No code may catch it."""


class Loop:
    """A loop with fakes for everything outside it."""

    def __init__(self, store: Store, pause_takes: float = 0.0, stage: Stage = DELIVER) -> None:
        self.pauses: list[float] = []
        self.signs: list[float] = []  # times of the calls of `worked`
        self._pause_takes = pause_takes
        self.now = NOW
        settings = Settings()
        metrics = Metrics()
        app = create_faust_app(settings, stage, metrics)
        self.consumer = FakeConsumer()
        app.consumer = cast(Any, self.consumer)
        self.runner = StageLoop(
            app,
            stage,
            BatchWork(store),
            settings,
            metrics,
            worked=lambda: self.signs.append(self.now),
            end=self._end,
            sleep=self._sleep,
            clock=lambda: self.now,
        )

    async def run(self, *batches: list[Record], fault: type[BaseException] | None = None) -> None:
        await self.runner.consume(taken(batches, fault))

    @staticmethod
    def _end(code: int) -> NoReturn:
        raise Ended(code)

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += self._pause_takes


def records(count: int, age: float = 0.0, partition: int = 0) -> list[Record]:
    encoded = [encode_event(flag(f"flag-{number}"), "test") for number in range(count)]
    return [Record(each.value, each.headers, at, NOW - age, partition) for at, each in enumerate(encoded, 100)]


async def test_a_batch_is_acknowledged_after_it_is_done() -> None:
    store, batch = Store(), records(3)
    loop = Loop(store)
    await loop.run(batch)
    assert [kept.id for kept in store.kept] == ["flag-0", "flag-1", "flag-2"]
    assert loop.consumer.acknowledged == batch


async def test_a_failing_dependency_is_tried_again_and_nothing_is_lost() -> None:
    store, batch = Store(outages=2), records(1)
    loop = Loop(store)
    await loop.run(batch)
    assert loop.pauses == list(RETRY_SECONDS[:2])
    assert loop.consumer.acknowledged == batch


@pytest.mark.parametrize("fault", [DependencyError("The store does not answer"), OSError("no disk")])
async def test_a_lasting_fault_ends_the_process_before_any_acknowledgement(fault: Exception) -> None:
    loop = Loop(Store(outages=99, fault=fault))
    with pytest.raises(Ended, match=str(EXIT_UNFINISHED)):
        await loop.run(records(2))
    assert loop.consumer.acknowledged == []


async def test_a_cancelled_agent_ends_the_process_unless_the_app_stops() -> None:
    loop = Loop(Store())
    with pytest.raises(Ended):
        await loop.run(fault=asyncio.CancelledError)
    loop.runner.app._stopped.set()
    with pytest.raises(asyncio.CancelledError):
        await loop.run(fault=asyncio.CancelledError)


async def test_the_last_log_line_names_the_records_in_hand(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop(Store(outages=99, fault=OSError("no disk")))
    with pytest.raises(Ended):
        await loop.run([*records(2, partition=7), *records(1, partition=3), *records(3, partition=7)[2:]])
    assert "(voice.flags/3/100 to 100, voice.flags/7/100 to 102): no disk" in caplog.text


@dataclass
class Broker:
    """A producer whose broker fails `outages` times with `fault`."""

    outages: int
    fault: type[KafkaError] = KafkaTimeoutError
    taken: list[bytes] = field(default_factory=list)

    def _ensure_producer(self) -> "Broker":
        return self

    async def send(self, _: str, value: bytes, *__: object, **___: object) -> "asyncio.Future[None]":
        sent = asyncio.get_running_loop().create_future()
        if self.outages:
            self.outages -= 1
            sent.set_exception(self.fault)
        else:
            self.taken.append(value)
            sent.set_result(None)
        return sent

    def serve(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
        async def producer() -> Broker:
            return self

        monkeypatch.setattr(loop.runner.app, "maybe_start_producer", producer)


def broken(count: int) -> list[Record]:
    made = records(count)
    for record in made:
        record.value = b"{"
    return made


async def test_a_worker_waits_for_an_hour_without_a_broker_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, broker, bad = Loop(Store()), Broker(outages=90), broken(1)
    broker.serve(loop, monkeypatch)
    await loop.run(bad)
    assert len(loop.pauses) * (loop.runner.app.conf.producer_request_timeout + SEND_AGAIN_SECONDS) > 3_600
    assert len(loop.signs) == 90
    assert loop.runner.app.conf.producer_request_timeout + SEND_AGAIN_SECONDS < STALL_SECONDS
    assert len(broker.taken) == 1
    assert loop.consumer.acknowledged == bad
    (said,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "deliver sends its results again until Kafka takes them: KafkaTimeoutError" in said


@pytest.mark.parametrize("fault", [TopicAuthorizationFailedError, UnknownTopicOrPartitionError])
async def test_a_broker_that_refuses_the_results_ends_the_process_without_a_traceback(
    fault: type[KafkaError], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(Store())
    Broker(outages=1, fault=fault).serve(loop, monkeypatch)
    with pytest.raises(Ended, match=str(EXIT_UNFINISHED)):
        await loop.run(broken(1))
    assert loop.consumer.acknowledged == []
    assert "Kafka did not take the results: " in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_worker_that_stops_waits_no_longer_for_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(Store())
    Broker(outages=99).serve(loop, monkeypatch)
    loop.runner.app._stopped.set()
    with pytest.raises(Ended, match=str(EXIT_UNFINISHED)):
        await loop.run(broken(1))
    assert loop.pauses == []
    assert loop.consumer.acknowledged == []


async def test_a_tick_waits_for_a_backlog_but_not_for_ever() -> None:
    """In a backlog the overdue speech may be in the next batch. If no batch follows, the speech is overdue."""
    store = Store()
    loop = Loop(store)
    await loop.run(records(DELIVER.batch, age=2 * BEHIND_SECONDS))
    await loop.runner.tick()
    assert store.ticks == []
    await loop.runner.tick()
    assert store.ticks == [NOW]


@pytest.mark.parametrize(("count", "age"), [(DELIVER.batch, 0.0), (1, 2 * BEHIND_SECONDS)], ids=["fast", "late"])
async def test_ticks_continue_without_a_backlog(count: int, age: float) -> None:
    """From about 1,300 records a second, every batch is full, although no record is late."""
    store = Store()
    loop = Loop(store)
    await loop.run(records(count, age))
    await loop.runner.tick()
    assert store.ticks == [NOW]


async def test_a_slow_batch_leaves_a_backlog() -> None:
    store = Store(outages=1)
    loop = Loop(store, pause_takes=2 * BEHIND_SECONDS)
    await loop.run(records(DELIVER.batch))
    await loop.runner.tick()
    assert store.ticks == []


async def test_an_endless_backlog_does_not_block_ticks_for_ever() -> None:
    """A speaker who muted within a word would block the commits of a whole partition."""
    store = Store()
    loop = Loop(store)
    for _ in range(PATIENCE_TICKS + 1):
        await loop.run(records(DELIVER.batch, age=2 * BEHIND_SECONDS))
        await loop.runner.tick()
    assert store.ticks == [NOW]


async def test_a_tick_waits_for_the_batch_in_hand_and_uses_the_time_of_its_call() -> None:
    store = Store()
    loop = Loop(store)
    async with loop.runner._one_at_a_time:
        ticking = asyncio.ensure_future(loop.runner.tick())
        await asyncio.sleep(0)
        loop.now += 5
    await ticking
    assert store.ticks == [NOW]


@pytest.mark.parametrize(("stage", "ticks"), [(SEGMENT, []), (DELIVER, [NOW])], ids=["holds", "holds nothing"])
async def test_a_worker_that_lost_its_partitions_tells_of_no_held_speech(stage: Stage, ticks: list[float]) -> None:
    """Another worker has the partitions, and may hear how the speech goes on."""
    store = Store()
    loop = Loop(store, stage=stage)
    loop.consumer.member = False
    await loop.runner.tick()
    assert store.ticks == ticks
    loop.consumer.member = True
    await loop.runner.tick()
    assert store.ticks == [*ticks, NOW]
