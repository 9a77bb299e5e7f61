"""Batches from fetches: their size, their waiting time, rebalances, and gaps in the offsets."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import NodeNotReadyError
from faust.types import TP

from agents.loop.faust_app import FETCH_BATCHES, create_faust_app
from agents.loop.intake import Consumer, Expiry
from agents.loop.record_batches import Fetches, batches
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import DELIVER
from pipeline.settings import Settings

SOON = 0.01
LATE = 60.0


@dataclass(frozen=True)
class Record:
    offset: int
    generation_id: int = 1
    tp: str = "quiet"


@dataclass
class FakeConsumer:
    fetches: Fetches = field(default_factory=Fetches)
    tracked: list[Record] = field(default_factory=list)

    def track_message(self, record: Record) -> None:
        self.tracked.append(record)


class App:
    """The parts of Faust's app that the intake uses."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.consumer_generation_id = 1
        self.flowing = True
        self.flow_control = SimpleNamespace(is_active=lambda: self.flowing)

    def batches(self, most: int, within: float) -> Any:
        return batches(self, most, within)


def fetch(*offsets: int, generation: int = 1, tp: str = "quiet") -> list[Record]:
    return [Record(offset, generation, tp) for offset in offsets]


async def test_a_fetch_is_cut_into_batches_in_order() -> None:
    app = App()
    await app.consumer.fetches.put(fetch(*range(5)))
    taken = app.batches(2, SOON)
    assert [await anext(taken) for _ in range(3)] == [fetch(0, 1), fetch(2, 3), fetch(4)]


async def test_a_batch_waits_for_more_records_until_it_is_full_or_time_is_up() -> None:
    app = App()
    taken = asyncio.ensure_future(anext(app.batches(3, LATE)))
    for one in range(3):
        await app.consumer.fetches.put(fetch(one))
    assert await asyncio.wait_for(taken, LATE / 2) == fetch(0, 1, 2)


async def test_records_fetched_before_a_rebalance_are_dropped_and_not_waited_for() -> None:
    app = App()
    app.consumer_generation_id = 2
    await app.consumer.fetches.put([*fetch(0, 1), *fetch(0, 1, generation=2)])
    assert await anext(app.batches(9, SOON)) == fetch(0, 1, generation=2)
    assert app.consumer.tracked == fetch(0, 1, generation=2)


async def test_no_records_are_taken_during_a_rebalance() -> None:
    app = App()
    app.flowing = False
    await app.consumer.fetches.put(fetch(0))
    taken = asyncio.ensure_future(anext(app.batches(1, SOON)))
    await app.consumer.fetches.put([])  # returns once the first fetch was taken
    app.flowing = True
    await app.consumer.fetches.put(fetch(1))
    assert await taken == fetch(1)
    assert app.consumer.tracked == fetch(1)


async def test_partitions_take_turns_in_a_batch_and_each_keeps_its_order() -> None:
    app = App()
    await app.consumer.fetches.put([*fetch(*range(6), tp="loud"), *fetch(0, 1), *fetch(0, tp="third")])
    taken = app.batches(5, SOON)
    assert [(one.tp, one.offset) for one in await anext(taken)] == [
        ("loud", 0),
        ("quiet", 0),
        ("third", 0),
        ("loud", 1),
        ("quiet", 1),
    ]
    assert await anext(taken) == fetch(*range(2, 6), tp="loud")


async def test_a_new_record_does_not_wait_for_another_partitions_backlog() -> None:
    """The loud partition fills each fetch. When the quiet partition has a record, the next fetch contains it."""
    app = App()
    batch, fetched = 4, itertools.count()
    fresh = asyncio.Event()

    async def consume() -> None:
        while True:
            await app.consumer.fetches.wanted()
            loud = fetch(*itertools.islice(fetched, FETCH_BATCHES * batch), tp="loud")
            await app.consumer.fetches.put([*loud, *(fetch(0) if fresh.is_set() else [])])

    consuming = asyncio.create_task(consume())
    taken = app.batches(batch, SOON)
    for _ in range(10):
        await anext(taken)
        await asyncio.sleep(0)  # a fetch runs now, if one is requested
    fresh.set()
    waited = 0
    while all(record.tp == "loud" for record in await anext(taken)):
        await asyncio.sleep(0)
        waited += 1
    assert waited <= FETCH_BATCHES + 1
    consuming.cancel()


PLACE = TP("voice.flags", 0)


NOW = 1_000_000.0


@dataclass
class Sought:
    """Faust's own consumer after a seek to the committed offset 5. `first` is the oldest offset of the broker."""

    consumer: Consumer
    metrics: Metrics
    first: int = 0

    async def commits(self, *offsets: int) -> int | None:
        """Return the offset that can be committed after records with these offsets were read and processed."""
        for message in [await self.consumer._read(PLACE, kafka_record(offset)) for offset in offsets]:
            self.consumer.ack(message)
        committed = self.consumer._filter_committable_offsets([PLACE])
        self.consumer._committed_offset.update(committed)  # as after a commit
        return committed.get(PLACE)

    @property
    def expired(self) -> tuple[float | None, float | None]:
        """Return the counted records and seconds."""
        found = self.metrics.registry.get_sample_value
        names = ("voxwarden_expired_records_total", "voxwarden_expired_seconds_total")
        return found(names[0], {"stage": "deliver"}), found(names[1], {"stage": "deliver"})


@pytest.fixture
async def sought(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sought]:
    metrics = Metrics()
    app = create_faust_app(Settings(), DELIVER, metrics)
    app.transport.expiry = Expiry(DELIVER, metrics, clock=lambda: NOW)  # type: ignore[attr-defined]
    consumer = app.consumer
    assert isinstance(consumer, Consumer)
    made = Sought(consumer, metrics)

    async def seek_to_committed() -> dict[TP, int]:
        return {PLACE: 5}

    async def earliest_offsets(*places: TP) -> dict[TP, int]:
        return dict.fromkeys(places, made.first)

    monkeypatch.setattr(consumer, "seek_to_committed", seek_to_committed)
    monkeypatch.setattr(consumer, "earliest_offsets", earliest_offsets)
    monkeypatch.setattr(consumer, "highwater", lambda _: 1_000_100)
    monkeypatch.setattr(consumer, "assignment", lambda: {PLACE})
    monkeypatch.setattr(app.topics, "acks_enabled_for", lambda _: True)
    await consumer.perform_seek()
    yield made
    consumer._thread.thread_loop.close()


def kafka_record(offset: int) -> Any:
    written = round(1000 * (NOW - 60))
    return ConsumerRecord(PLACE.topic, PLACE.partition, offset, written, 0, b"lobby", b"", None, 5, 0, ())


async def test_expired_records_are_skipped_without_a_list_of_their_offsets(sought: Sought) -> None:
    """Faust would list millions of numbers, and after each restart again until memory runs out."""
    sought.first = 1_000_000
    assert await sought.commits(1_000_000, 1_000_001) == 1_000_002
    assert not sought.consumer._gap[PLACE]


async def test_expired_records_are_counted_and_logged_with_their_time_span(
    sought: Sought, caplog: pytest.LogCaptureFixture
) -> None:
    """The hundred records that are left arrived in 60 s."""
    assert sought.expired == (0, 0), "Prometheus must see the counter at 0 first"
    sought.first = 1_000_000
    await sought.commits(1_000_000, 1_000_001)
    assert sought.expired[0] == 999_995
    assert sought.expired[1] == pytest.approx(999_995 * 0.6)
    [told] = caplog.messages
    assert "deliver missed 999995 records (about 599997 s)" in told
    assert "voice.flags/0/1000000" in told


async def test_records_that_expire_while_a_worker_is_far_behind_are_counted_too(sought: Sought) -> None:
    await sought.commits(5, 6)
    sought.first = 10
    assert await sought.commits(10) == 11
    assert sought.expired[0] == 3


@pytest.mark.parametrize(("read", "end"), [((5, 9), 10), ((9,), 10), ((6,), 7)], ids=["within", "at once", "by one"])
async def test_a_gap_between_records_counts_as_done_and_not_as_expired(
    sought: Sought, read: tuple[int, ...], end: int
) -> None:
    """Markers of a transaction and compaction leave such gaps."""
    assert await sought.commits(*read) == end
    assert sought.expired == (0, 0)


async def test_only_the_deleted_part_of_a_gap_at_the_start_has_expired(sought: Sought) -> None:
    sought.first = 7
    assert await sought.commits(9) == 10
    assert sought.expired[0] == 2


async def test_a_recreated_topic_is_read_and_committed_from_its_start(
    sought: Sought, caplog: pytest.LogCaptureFixture
) -> None:
    assert await sought.commits(0, 1) == 2
    assert sought.expired == (0, 0)
    assert "voice.flags/0 has no offset 5; reading starts at 0" in caplog.messages


async def test_a_partition_without_commits_is_read_from_its_beginning_after_a_seek(
    sought: Sought, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust's seek does not move the position.

    Records that were fetched and dropped during a rebalance were then lost.
    """
    begun: list[TP] = []

    async def seek_to_committed() -> dict[TP, None]:
        return {PLACE: None}

    async def seek_to_beginning(*places: TP) -> None:
        begun.extend(places)

    monkeypatch.setattr(sought.consumer, "seek_to_committed", seek_to_committed)
    monkeypatch.setattr(sought.consumer._thread, "seek_to_beginning", seek_to_beginning)
    await sought.consumer.perform_seek()
    assert begun == [PLACE]


async def test_records_fetched_across_a_seek_are_fetched_again(sought: Sought, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fetch may be older than the seek. Then the offsets in between would count as a gap, and would be lost."""
    consumer = sought.consumer
    seeks = iter([consumer.perform_seek])

    async def fetch_across_a_seek(**_: float) -> Any:
        for seek in seeks:
            await seek()
        return {PLACE: [kafka_record(9)]}, {PLACE}

    monkeypatch.setattr(consumer, "_wait_next_records", fetch_across_a_seek)
    consumer.fetches.want()
    await consumer._fetch()
    assert consumer.fetches.get_nowait() == []
    await consumer._fetch()
    assert [message.offset for message in consumer.fetches.get_nowait()] == [9]


async def test_faust_does_not_judge_the_streams_that_get_no_records(
    sought: Sought, caplog: pytest.LogCaptureFixture
) -> None:
    """After five minutes it would log 15 lines about each partition with waiting records, every 2.5 s."""
    await sought.consumer.verify_all_partitions_active()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("generation", "answer", "member"),
    [
        (3, True, True),
        (3, False, False),
        (3, NodeNotReadyError(), False),
        (3, TimeoutError(), False),
        (-1, True, False),
    ],
    ids=["yes", "removed", "away", "silent", "joins again"],
)
async def test_a_worker_is_a_member_only_if_the_broker_says_so(
    sought: Sought, monkeypatch: pytest.MonkeyPatch, generation: int, answer: object, member: bool
) -> None:
    async def heartbeat() -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    thread: Any = sought.consumer._thread
    coordinator = SimpleNamespace(generation=generation, _do_heartbeat=heartbeat)
    with monkeypatch.context() as patch:
        patch.setattr(thread, "_consumer", SimpleNamespace(_coordinator=coordinator))
        patch.setattr(thread, "thread_loop", asyncio.get_running_loop())
        patch.setattr(sought.consumer.app, "consumer_generation_id", 3)
        assert await sought.consumer.is_member() is member
