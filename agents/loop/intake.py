"""Faust's consumer with whole fetches, and the count of records that the broker deleted before they were read.

Faust passes each record through five queues, tasks and locks. They cost several times the CPU of everything else. Faust
also pauses a partition whose buffer is full. The fetch in progress then waits up to a second for the other partitions.
So this consumer hands over a whole fetch at once. Consumer group, offsets, rebalances and commits stay Faust's.

Partitions take turns in each fetch and in each batch (`agents/loop/record_batches.py`). A partition with a backlog
takes only its share of a fetch. So a new record of another partition is handled a few batches later, however long the
backlog is.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka

from agents.broker.kafka_records import address_of
from agents.loop.record_batches import Fetches
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import Stage

MEMBER_SECONDS = 1.0  # limit for the broker's answer to `is_member`

log = logging.getLogger(__name__)


class Expiry:
    """Counts and logs the expired records of one stage. Nobody moderated their speech. `clock` returns UTC seconds."""

    def __init__(self, stage: Stage, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        self._stage = stage.name
        self._records = metrics.expired_records.labels(stage.name)
        self._seconds = metrics.expired_seconds.labels(stage.name)
        self._clock = clock

    def count(self, gone: int, record: Any, end: int) -> None:
        """Count `gone` records that are missing before the Kafka `record`. `end` is the next offset of its partition.

        The expired records cannot be read. So their time span is estimated from the pace of the records that are left.
        """
        pace = max(0.0, self._clock() - record.timestamp / 1000) / max(1, end - record.offset)
        self._records.inc(gone)
        self._seconds.inc(gone * pace)
        log.warning(
            "%s missed %d records (about %.0f s): the broker deleted them, up to %s, before %s read them",
            self._stage,
            gone,
            gone * pace,
            address_of(record),
            self._stage,
        )


class Thread(aiokafka.AIOKafkaConsumerThread):
    """Faust's consumer thread, with one change: each partition with records gets its share of a fetch.

    aiokafka would read all records of one partition first.
    """

    async def is_member(self) -> bool:
        """Ask the broker whether this worker still has its partitions. False also without an answer."""
        coordinator = self._ensure_consumer()._coordinator
        if coordinator.generation != self.app.consumer_generation_id:  # it joins the group again
            return False
        heartbeat = asyncio.run_coroutine_threadsafe(coordinator._do_heartbeat(), self.thread_loop)
        try:
            return bool(await asyncio.wait_for(asyncio.wrap_future(heartbeat), MEMBER_SECONDS))
        except (KafkaError, TimeoutError):
            return False

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - as Faust calls it
        """Fetch in the thread's own event loop. Faust's queue of calls costs several tasks for each call."""
        consumer = self._ensure_consumer()
        fetch = self._fetch_records(consumer, active_partitions, timeout, consumer._max_poll_records)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(fetch, self.thread_loop))

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - as Faust calls it
        max_records: int | None = None,
    ) -> Any:
        # An entry may be a FetchError instead. aiokafka raises it once it has no records to return.
        ready = consumer._fetcher._records
        partitions = [tp for tp, found in ready.items() if tp in active_partitions and type(found) is FetchResult]
        if len(partitions) < 2 or not max_records:
            return await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        return await self._share(consumer, partitions, max(1, max_records // len(partitions)))

    async def _share(self, consumer: Any, partitions: list[Any], most: int) -> dict[Any, Any]:
        """Fetch at most `most` records of each partition."""
        fetched: dict[Any, Any] = {}
        try:
            for tp in partitions:
                fetched |= await super()._fetch_records(consumer, {tp}, 0, most)  # no wait: the records are here
        except KafkaError as error:
            if not fetched:
                raise
            # aiokafka has moved its position past the records that we have: to raise now would lose them.
            log.warning("One partition gave no records; the next fetch tries it again: %s", error)
        return fetched


class Consumer(aiokafka.Consumer):
    """Faust's consumer, with one change: it fetches only on request, and hands over the whole fetch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fetches = Fetches()
        self._expiry = cast("Transport", self.transport).expiry
        # Partitions that were set back to the committed offset and have not been read since.
        self._sought: set[Any] = set()
        self._seeks = 0

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    async def is_member(self) -> bool:
        """See `Thread.is_member`."""
        return await cast("Thread", self._thread).is_member()

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Do nothing. Faust would report its streams as stuck, because they see no records. Health looks at commits."""

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, or to the beginning where nothing is committed."""
        self._seeks += 1
        await super().perform_seek()
        # Without a committed offset, Faust keeps its position, and would skip the fetched records that we drop.
        if fresh := [TopicPartition(*tp) for tp in self.assignment() if self._read_offset[tp] is None]:
            await self._thread.seek_to_beginning(*fresh)
        self._sought = set(self._read_offset)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch until Faust's fetcher stops."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._fetch()
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:  # on a stop, a cancelled fetch is no crash; Faust would restart it
                raise

    async def _fetch(self) -> None:
        if not self.fetches.are_wanted:
            await self.wait_first(self.fetches.wanted(), self.suspend_flow.wait())
        seeks = self._seeks
        fetched, active = await self._wait_next_records(timeout=1.0)  # so that a worker without records can stop
        if not self.flow_active or seeks != self._seeks:
            await self._seek_back()
        elif fetched and active:
            ours = [(tp, record) for tp, found in fetched.items() if tp in active for record in found]
            records = [await self._read(tp, record) for tp, record in ours]
            if self.fetches.is_free:  # the usual case: `wait_first` would cost two tasks
                await self.fetches.put(records)
            else:  # a rebalance does not wait for the batch in hand
                await self.wait_first(self.fetches.put(records), self.suspend_flow.wait())

    async def _seek_back(self) -> None:
        """Fetch again the records that arrived during a rebalance: they may be newer than the seek that ends it."""
        if not self.app.should_stop:
            with suppress(IllegalStateError):  # the partition was just revoked; the next rebalance seeks again
                await self.perform_seek()

    async def _read(self, tp: Any, record: Any) -> Any:
        """Return `record` as a message of Faust.

        Missing offsets count as done, because a gap would block all commits.
        """
        last = self._read_offset[tp]
        if last is not None:
            # After a seek, `last` is the next offset to read, not the last offset read.
            await self._expect(tp, last if tp in self._sought else last + 1, record)
        self._sought.discard(tp)
        self._read_offset[tp] = record.offset
        return self._to_message(tp, record)

    async def _expect(self, tp: Any, offset: int, record: Any) -> None:
        """Let commits continue at `record` if its offset is not the expected `offset`."""
        if record.offset < offset:
            log.warning("%s/%d has no offset %d; reading starts at %d", tp.topic, tp.partition, offset, record.offset)
            # Else nothing is committed until the partition is as long as before.
            self._committed_offset[tp] = record.offset
        elif record.offset > offset:
            await self._count_expired(tp, offset, record)
            await self._pass(tp, offset, record.offset)

    async def _count_expired(self, tp: Any, missing: int, record: Any) -> None:
        """Count expired records. Transactions and compaction leave gaps, too, which are not counted."""
        first = (await self.earliest_offsets(tp))[tp]
        gone = min(first, record.offset) - missing
        if gone > 0 and tp in self.assignment():  # else the new owner counts them
            self._expiry.count(gone, record, self.highwater(tp) or record.offset + 1)

    async def _pass(self, tp: Any, missing: int, offset: int) -> None:
        """Let commits continue at `offset`, although the records between `missing` and `offset` do not exist.

        After an outage, millions of committed offsets may have expired, and Faust lists each number of a gap in memory.
        After a seek, no earlier record is in hand. So `offset` can count as the committed one without a list.
        """
        if tp in self._sought:
            self._committed_offset[tp] = offset
        else:
            await self._add_gap(tp, missing, offset - 1)


class Transport(aiokafka.Transport):
    """Faust's transport with our consumer, which reports expired records to `expiry`."""

    Consumer = Consumer

    def __init__(self, url: Any, app: Any, expiry: Expiry) -> None:
        super().__init__(url, app)
        self.expiry = expiry
