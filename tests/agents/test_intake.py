"""Batches from fetches: how many, how long they wait, what a rebalance makes of them, and holes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from faust.types import TP

from agents.app import create_app
from agents.intake import Consumer, batches
from pipeline.settings import Settings
from pipeline.topology import DELIVER

SOON = 0.01
LATE = 60.0


@dataclass(frozen=True)
class Record:
    offset: int
    generation_id: int = 1


@dataclass
class FakeConsumer:
    fetches: asyncio.Queue[list[Record]] = field(default_factory=lambda: asyncio.Queue(1))
    tracked: list[Record] = field(default_factory=list)

    def track_message(self, record: Record) -> None:
        self.tracked.append(record)


class App:
    """As much of Faust's as the intake looks at."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.consumer_generation_id = 1
        self.flowing = True
        self.flow_control = SimpleNamespace(is_active=lambda: self.flowing)

    def batches(self, most: int, within: float) -> Any:
        return batches(self, most, within)


def fetch(*offsets: int, generation: int = 1) -> list[Record]:
    return [Record(offset, generation) for offset in offsets]


async def test_a_fetch_is_cut_into_batches_in_order() -> None:
    app = App()
    await app.consumer.fetches.put(fetch(*range(5)))
    taken = app.batches(2, SOON)
    assert [await anext(taken) for _ in range(3)] == [fetch(0, 1), fetch(2, 3), fetch(4)]


async def test_a_batch_waits_for_more_but_not_longer_than_it_takes_to_fill() -> None:
    app = App()
    taken = asyncio.ensure_future(anext(app.batches(3, LATE)))
    for one in range(3):
        await app.consumer.fetches.put(fetch(one))
    assert await asyncio.wait_for(taken, LATE / 2) == fetch(0, 1, 2)


async def test_what_was_fetched_before_a_rebalance_is_left_out_and_not_waited_for() -> None:
    app = App()
    app.consumer_generation_id = 2
    await app.consumer.fetches.put([*fetch(0, 1), *fetch(0, 1, generation=2)])
    assert await anext(app.batches(9, SOON)) == fetch(0, 1, generation=2)
    assert app.consumer.tracked == fetch(0, 1, generation=2)


async def test_nothing_is_taken_while_the_group_is_rebalancing() -> None:
    app = App()
    app.flowing = False
    await app.consumer.fetches.put(fetch(0))
    taken = asyncio.ensure_future(anext(app.batches(1, SOON)))
    await app.consumer.fetches.put([])  # there is room for it once the first is taken
    app.flowing = True
    await app.consumer.fetches.put(fetch(1))
    assert await taken == fetch(1)
    assert app.consumer.tracked == fetch(1)


PLACE = TP("voice.flags", 0)


@pytest.fixture
async def sought(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Consumer]:
    """Faust's own consumer, set back to 5, which the broker says is committed."""
    app = create_app(Settings(), DELIVER)
    consumer = app.consumer
    assert isinstance(consumer, Consumer)

    async def seek_to_committed() -> dict[TP, int]:
        return {PLACE: 5}

    monkeypatch.setattr(consumer, "seek_to_committed", seek_to_committed)
    monkeypatch.setattr(app.topics, "acks_enabled_for", lambda _: True)
    await consumer.perform_seek()
    yield consumer
    consumer._thread.thread_loop.close()


def kafka_record(offset: int) -> Any:
    return ConsumerRecord(PLACE.topic, PLACE.partition, offset, 0, 0, b"lobby", b"", None, 5, 0, ())


async def commits(consumer: Consumer, *offsets: int) -> int | None:
    """What can be committed when records with these offsets are read and done with."""
    for message in [await consumer._read(PLACE, kafka_record(offset)) for offset in offsets]:
        consumer.ack(message)
    return consumer._filter_committable_offsets([PLACE]).get(PLACE)


async def test_what_expired_in_an_outage_is_passed_without_being_counted(sought: Consumer) -> None:
    """Faust would make a list of as many numbers, and again after each restart for want of memory."""
    assert await commits(sought, 1_000_000, 1_000_001) == 1_000_002
    assert not sought._gap[PLACE]


async def test_a_hole_among_the_records_counts_as_done(sought: Consumer) -> None:
    assert await commits(sought, 5, 9) == 10
