"""What comes in: Faust's consumer, handing over whole fetches, and batches taken from them.

Faust passes each record through five queues, tasks and locks of its own, at several times the CPU of all else that we
do with it. It also pauses a partition whose buffer fills up, and then the fetch under way waits for the others, for up
to a second. Group, offsets, rebalances and commits stay Faust's.

Partitions take turns, in each fetch and in each batch. A partition with a backlog gives a fetch no more records than
the others have room for, and a fetch is made when the next batch needs it. So a fresh record of another partition is
handled a few batches later, however long the backlog is.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faust.transport.drivers import aiokafka

from agents.expiry import Expiry
from agents.fetches import Fetches
from agents.turns import Turns

log = logging.getLogger(__name__)


class Thread(aiokafka.AIOKafkaConsumerThread):
    """Faust's, but that each partition with records gives its share of a fetch; aiokafka would empty one first."""

    async def getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - as Faust calls it
        """Straight to the thread's loop: Faust's queue of calls costs several tasks for each."""
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
        ready = consumer._fetcher._records
        partitions = [tp for tp, found in ready.items() if tp in active_partitions and type(found) is FetchResult]
        if len(partitions) < 2 or not max_records:
            return await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        return await self._share(consumer, partitions, max(1, max_records // len(partitions)))

    async def _share(self, consumer: Any, partitions: list[Any], most: int) -> dict[Any, Any]:
        """At most so many of each."""
        fetched: dict[Any, Any] = {}
        try:
            for tp in partitions:
                fetched |= await super()._fetch_records(consumer, {tp}, 0, most)
        except KafkaError as error:
            if not fetched:
                raise
            log.warning("no records of one partition, which is tried again: %s", error)  # those taken are not lost
        return fetched


class Consumer(aiokafka.Consumer):
    """Faust's, but that it makes a fetch when it is wanted, and gives all of it at once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fetches = Fetches()
        self._expiry = cast("Transport", self.transport).expiry
        self._sought: set[Any] = set()
        """Partitions of which nothing was read since they were set back to what is committed."""
        self._seeks = 0

    def _new_consumer_thread(self) -> Thread:
        return Thread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Read again from what is committed, or from the beginning."""
        self._seeks += 1
        await super().perform_seek()
        # Where nothing is committed, Faust stays where it is, behind what was fetched and will be left out.
        if fresh := [TopicPartition(*tp) for tp in self.assignment() if self._read_offset[tp] is None]:
            await self._thread.seek_to_beginning(*fresh)
        self._sought = set(self._read_offset)

    async def _drain_messages(self, fetcher: Any) -> None:
        """What Faust's fetcher runs until it stops."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._fetch()
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:  # else it is an end: Faust would take a cancelled fetch for a crash to mend
                raise

    async def _fetch(self) -> None:
        if not self.fetches.are_wanted:
            await self.wait_first(self.fetches.wanted(), self.suspend_flow.wait())
        seeks = self._seeks
        fetched, active = await self._wait_next_records(timeout=1.0)
        if not self.flow_active or seeks != self._seeks:
            await self._seek_back()
        elif fetched and active:
            ours = [(tp, record) for tp, found in fetched.items() if tp in active for record in found]
            records = [await self._read(tp, record) for tp, record in ours]
            if self.fetches.is_free:
                await self.fetches.put(records)
            else:
                await self.wait_first(self.fetches.put(records), self.suspend_flow.wait())

    async def _seek_back(self) -> None:
        """Fetch again what came in during a rebalance: it may have come after the seek that ends one."""
        if not self.app.should_stop:
            with suppress(IllegalStateError):  # the partition has just been taken away, which means another such seek
                await self.perform_seek()

    async def _read(self, tp: Any, record: Any) -> Any:
        """`record` as Faust's message. An offset that a topic lacks would hold up all commits: it counts as done."""
        last = self._read_offset[tp]
        if last is not None:
            # After a seek it is not what was read last, but what is to be read next.
            await self._expect(tp, last if tp in self._sought else last + 1, record)
        self._sought.discard(tp)
        self._read_offset[tp] = record.offset
        return self._to_message(tp, record)

    async def _expect(self, tp: Any, offset: int, record: Any) -> None:
        """Let commits go on at `record`, where it is not the one with this `offset`."""
        if record.offset < offset:
            log.warning("%s/%d has no offset %d; it is read from %d on", tp.topic, tp.partition, offset, record.offset)
            self._committed_offset[tp] = record.offset  # else nothing is committed until it has grown as long again
        elif record.offset > offset:
            await self._count_expired(tp, offset, record)
            await self._pass(tp, offset, record.offset)

    async def _count_expired(self, tp: Any, missing: int, record: Any) -> None:
        """Tell what the broker has deleted from what a transaction or a compaction leaves out."""
        first = (await self.earliest_offsets(tp))[tp]
        gone = min(first, record.offset) - missing
        if gone > 0 and tp in self.assignment():  # else whoever has it now tells
            self._expiry.count(gone, record, self.highwater(tp) or record.offset + 1)

    async def _pass(self, tp: Any, missing: int, offset: int) -> None:
        """Let commits go on at `offset`, though those from `missing` on are not there.

        What was committed may have expired in an outage, with millions after it, and Faust lists each one of a gap.
        After a seek nothing older is in hand, so that we can begin at the record as if it were the committed one.
        """
        if tp in self._sought:
            self._committed_offset[tp] = offset
        else:
            await self._add_gap(tp, missing, offset - 1)


class Transport(aiokafka.Transport):
    """Faust's, with our consumer, which tells `expiry` of what it could not read any more."""

    Consumer = Consumer

    def __init__(self, url: Any, app: Any, expiry: Expiry) -> None:
        super().__init__(url, app)
        self.expiry = expiry


async def batches(app: Any, most: int, within: float) -> AsyncIterator[list[Any]]:
    """At most so many records of the Faust app, or those of so many seconds after the first. Acknowledges nothing.

    What was fetched before the last rebalance is left out: it comes again, here or elsewhere.
    """
    fetches: Fetches = app.consumer.fetches
    waiting = Turns()
    while True:
        waiting.add(fetches.get_nowait())
        if not waiting:
            waiting.add(await fetches.get())
        deadline = time.monotonic() + within
        while len(waiting) < most and (more := await _more(fetches, deadline)):
            waiting.add(more)
        batch = waiting.take(most)
        if len(waiting) < most:
            fetches.want()  # it is made while this batch is worked at
        if current := [record for record in batch if _is_current(app, record)]:
            yield current


async def _more(fetches: Fetches, deadline: float) -> list[Any] | None:
    try:
        return await asyncio.wait_for(fetches.get(), deadline - time.monotonic())
    except TimeoutError:
        return None


def _is_current(app: Any, record: Any) -> bool:
    """Whether it is of this assignment; if so, a worker that stops waits for its acknowledgement."""
    if not app.flow_control.is_active() or record.generation_id != app.consumer_generation_id:
        return False
    app.consumer.track_message(record)
    return True
