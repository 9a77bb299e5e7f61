"""Batches of one partition, with a fake broker. tests/stream proves the sink with a real one."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import NotEnoughReplicasError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch

from agents.gateway.kafka_sink import PartitionSender, PendingRecord
from pipeline.base.errors import DependencyError
from pipeline.contract.cloud_events import Event

BATCH_BYTES = 400


class Broker:
    """Takes batches as a producer does, and answers each when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.got = asyncio.Event()

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, partition: int) -> "asyncio.Future[None]":
        assert (topic, partition) == ("voice.audio", 3)
        self.batches.append([bytes(record.value) for record in DefaultRecordBatch(bytes(batch._build()))])
        self.answers.append(asyncio.get_running_loop().create_future())
        self.got.set()
        return self.answers[-1]


class Road:
    """A sender to a broker, with its time in seconds."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.sender = PartitionSender(self.broker, "voice.audio", 3, lambda: DependencyError("no answer", "wait"))

    def put(self, value: bytes, at: float = 0.0) -> PendingRecord:
        record = PendingRecord(Event(b"room", value, [("ce_id", b"1")]), at)
        self.sender.put(record)
        return record

    async def sent(self, batches: int) -> None:
        """Wait for so many batches. The test's time-out limits the wait."""
        while len(self.broker.batches) < batches:
            self.broker.got.clear()
            await self.broker.got.wait()


@asynccontextmanager
async def open_road() -> AsyncIterator[Road]:
    road = Road()
    running = asyncio.create_task(road.sender.run())
    yield road
    assert not running.done()
    running.cancel()


def values(count: int) -> list[bytes]:
    return [bytes([number]) * 100 for number in range(count)]


async def test_records_that_come_together_are_one_batch() -> None:
    async with open_road() as road:
        records = [road.put(value) for value in (b"a", b"b")]
        await road.sent(1)
        assert road.broker.batches == [[b"a", b"b"]]
        assert not any(record.confirmed.done() for record in records)
        road.broker.answers[0].set_result(None)
        await asyncio.gather(*(record.confirmed for record in records))
        assert road.sender.oldest is None


async def test_a_batch_waits_for_the_one_before_it_and_order_is_kept() -> None:
    async with open_road() as road:
        records = [road.put(value) for value in values(7)]
        for number in itertools.count(1):
            await road.sent(number)
            assert len(road.broker.batches) == number
            road.broker.answers[-1].set_result(None)
            sent = sum(map(len, road.broker.batches))
            await asyncio.gather(*(record.confirmed for record in records[:sent]))
            if sent == len(records):
                break
        assert number > 1
        assert [value for batch in road.broker.batches for value in batch] == values(7)


async def test_a_record_larger_than_a_batch_is_sent_alone() -> None:
    async with open_road() as road:
        road.put(bytes(2 * BATCH_BYTES))
        road.put(b"small")
        await road.sent(1)
        road.broker.answers[0].set_result(None)
        await road.sent(2)
        assert road.broker.batches == [[bytes(2 * BATCH_BYTES)], [b"small"]]


@pytest.mark.parametrize("error", [NotEnoughReplicasError(), RuntimeError("a bug of the client")], ids=["kafka", "bug"])
async def test_a_refused_batch_fails_its_records_and_the_lane_goes_on(error: Exception) -> None:
    async with open_road() as road:
        refused = [road.put(value) for value in (b"a", b"b")]
        await road.sent(1)
        road.broker.answers[0].set_exception(error)
        for record in refused:
            with pytest.raises(DependencyError, match=rf"refuses audio \({type(error).__name__}\)"):
                await record.confirmed
        accepted = road.put(b"c")
        await road.sent(2)
        road.broker.answers[1].set_result(None)
        await accepted.confirmed


async def test_a_record_that_nobody_waits_for_is_not_sent() -> None:
    async with open_road() as road:
        road.put(b"a").confirmed.cancel()
        road.put(b"b")
        await road.sent(1)
        assert road.broker.batches == [[b"b"]]


async def test_old_records_fail_and_those_not_in_flight_are_dropped() -> None:
    async with open_road() as road:
        flying = road.put(b"a", at=1.0)
        await road.sent(1)
        old, young = road.put(b"b", at=2.0), road.put(b"c", at=3.0)
        assert road.sender.oldest == 1.0
        road.sender.expire(before=3.0)
        for record in (flying, old):
            with pytest.raises(DependencyError, match="no answer"):
                await record.confirmed
        assert not young.confirmed.done()
        road.broker.answers[0].set_result(None)  # the broker took it after all, and its client was told otherwise
        await road.sent(2)
        assert road.broker.batches[1] == [b"c"]
        road.broker.answers[1].set_result(None)
        await young.confirmed


async def test_a_record_is_settled_once() -> None:
    record = PendingRecord(Event(b"k", b"v", []), 0.0)
    record.confirm()
    record.fail(OSError("late"))
    assert record.confirmed.result() is None
    given_up: Any = PendingRecord(Event(b"k", b"v", []), 0.0)
    given_up.confirmed.cancel()
    given_up.confirm()
    assert given_up.confirmed.cancelled()
