"""The topology in one process: a bounded queue and one thread for each stage, for one machine, files and tests.

A full queue makes its feeder wait, back to the microphone's connection or the file. At the end the runner finishes
everything in hand before it closes. With a look-back, a killed runner loses nothing: the next one finishes it
(`pipeline/recovery.py`).
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.errors import DependencyError, VoxwardenError
from pipeline.messages import AudioChunk, Message
from pipeline.metrics import Metrics, from_zero
from pipeline.overload import Arrivals
from pipeline.recovery import Recovery
from pipeline.settings import Settings
from pipeline.stage import BEHIND_SECONDS, Backlog, Processor, Rejected
from pipeline.topology import DELIVER, SEGMENT, STAGES, Stage

if TYPE_CHECKING:
    from pipeline.review.evidence.lookback import Lookback

log = logging.getLogger(__name__)

QUEUE_BATCHES = 4
"""Batches that wait for a stage before whoever feeds it waits, too."""
TICK_SECONDS = 0.5
"""How often a stage is told the time."""
RETRY_SECONDS = (0.5, 1, 2, 4, 8)
"""Pauses before a dependency that does not answer is tried again; then the runner ends."""

T = TypeVar("T")
Clock = Callable[[], float]
"""UTC seconds."""


class Tap(Protocol):
    """Sees each batch of each stage with what came of it."""

    def __call__(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[Any]) -> None: ...


class Carrier:
    """Takes batches to one stage's processor, and what it gives to the next stage."""

    def __init__(self, stage: Stage, tap: Tap, metrics: Metrics, clock: Clock | None) -> None:
        self.stage = stage
        self.queue: asyncio.Queue[tuple[Message | None, float]] = asyncio.Queue(stage.batch * QUEUE_BATCHES)
        self.next: Carrier | None = None
        self.recovery: Recovery | None = None
        self.processor: Processor[Any, Any]
        self._tap = tap
        self._metrics = metrics
        self._clock = clock
        self._full_since: float | None = None
        self._arrivals = Arrivals()
        self._taken = 0
        self._refuses = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=stage.name)

    async def start(self, build: Callable[[], Processor[Any, Any]]) -> None:
        self.processor = await asyncio.get_running_loop().run_in_executor(self._thread, build)

    async def put(self, message: Message | None) -> None:
        """None ends the stream. Waits while the queue is full; raises DependencyError once nobody empties it."""
        await self.queue.put((message, self._now()))
        if self._refuses:
            self.refuse()
            raise DependencyError("No audio is taken any more, since a stage has failed", "Start it again.")

    def refuse(self) -> None:
        """Nobody works here any more: whoever waits, or comes, is told so, and does not wait for ever."""
        self._refuses = True
        if not self.queue.empty():
            self.queue.get_nowait()  # room for the first who waits, who makes it for the next

    async def run(self) -> None:
        """Carry until the None that ends the stream, then drain, and hand the None on."""
        loop = asyncio.get_running_loop()
        ended, ticked = False, loop.time()
        while not ended:
            self._watch()
            batch, since, ended = await self._take(TICK_SECONDS if self._clock else None)
            self._taken += len(batch)
            if batch:
                await self._work(batch, partial(self._process, batch, since))
            now = self._worked_off_to(since)
            if now is not None and loop.time() - ticked >= TICK_SECONDS:
                ticked = loop.time()
                await self._work([], partial(self.processor.tick, now))
        await self._work([], self.processor.drain)
        if self.next:
            await self.next.put(None)

    def close(self) -> None:
        if hasattr(self, "processor"):
            self._thread.submit(self.processor.close).result()
        self._thread.shutdown()

    def _now(self) -> float:
        return self._clock() if self._clock else 0.0

    def _watch(self) -> None:
        """A queue that stays full makes others wait outside of it: then its own messages do not tell how long."""
        if not self.queue.full():
            self._full_since = None
        elif self._full_since is None:
            self._full_since = self._now()

    def _waited(self, since: float) -> float:
        oldest = since if self._full_since is None else min(since, self._full_since)
        return self._now() - oldest

    def _worked_off_to(self, since: float) -> float | None:
        """Up to when all that came is worked off; None for files, and while a backlog waits.

        What seems overdue may be waiting here. Messages that come in fast are no backlog, though: else time would
        stand still under load. It has then come as far as the batch in which the oldest came at `since`.
        """
        if not self._clock:
            return None
        if self.queue.empty():
            return self._clock()
        return since if self._waited(since) <= BEHIND_SECONDS else None

    def _backlog(self, in_hand: int, since: float) -> Backlog:
        """A queue that is full makes others wait outside of it: then more comes in than anybody can count."""
        waiting = self.queue.qsize()
        self._arrivals.see(self._taken + waiting, self._now())
        arrivals = self._arrivals.rate if self._full_since is None else math.inf
        return Backlog(self._waited(since), in_hand + waiting, arrivals)

    def _process(self, batch: list[Message], since: float) -> list[Any]:
        if self._clock:
            self.processor.behind(self._backlog(len(batch), since))
        return self.processor.handle(batch)

    async def _take(self, patience: float | None) -> tuple[list[Message], float, bool]:
        """Up to `stage.batch` messages, as come within `stage.within` seconds of the first.

        Also since when the first has waited, and if the stream ended.
        """
        batch: list[Message] = []
        first = 0.0
        try:
            async with asyncio.timeout(patience) as limit:
                while len(batch) < self.stage.batch:
                    message, since = await self.queue.get()
                    if message is None:
                        return batch, first, True
                    if not batch:
                        first = since
                        limit.reschedule(asyncio.get_running_loop().time() + self.stage.within)
                    batch.append(message)
        except TimeoutError:
            log.debug("%s: %d messages within the time", self.stage.name, len(batch))
        return batch, first, False

    async def _work(self, batch: list[Message], work: Callable[[], list[Any]]) -> None:
        self._metrics.queue_messages.labels(self.stage.name).set(self.queue.qsize())
        self._metrics.messages.labels(self.stage.name).inc(len(batch))
        with self._metrics.batch_seconds.labels(self.stage.name).time():
            outputs = await self._patiently(work)
        self._tap(self.stage, batch, outputs)
        if self.recovery and batch:
            await self._patiently(partial(self.recovery.finish, batch, outputs))
        for output in outputs:
            if self.next and not isinstance(output, Rejected):
                await self.next.put(output)

    async def _patiently(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        for pause in RETRY_SECONDS:
            try:
                return await loop.run_in_executor(self._thread, work)
            except DependencyError as error:
                log.warning("%s: %s; again in %s s", self.stage.name, error, pause)
                await asyncio.sleep(pause)
        return await loop.run_in_executor(self._thread, work)


class LocalRunner:
    """`async with LocalRunner(...) as runner: await runner.put(chunk)`; leaving the block drains every stage.

    With a `lookback`, utterances are kept on disk for a while, and deliver cuts its evidence from there. What a killed
    runner had in hand is then finished first, before new audio. `clock` is for live audio: it ends the speech of a
    speaker who falls silent without leaving. Files need none.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        tap: Tap,
        *,
        stages: Sequence[Stage] = STAGES,
        lookback: "Lookback | None" = None,
        clock: Clock | None = time.time,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._outer_tap = tap
        self._recovery = Recovery(settings, lookback) if lookback else None
        self._ready = asyncio.Event()
        self._carriers = [Carrier(stage, self._tap, metrics, clock) for stage in stages]
        for counter in (metrics.messages, metrics.dead_letters):
            from_zero(counter, [stage.name for stage in stages])
        for carrier, following in zip(self._carriers, self._carriers[1:], strict=False):
            carrier.next = following
            following.recovery = self._recovery
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> "LocalRunner":
        try:
            await asyncio.gather(*(c.start(partial(self._build, c.stage)) for c in self._carriers))
        except BaseException:
            self._close()
            raise
        await self._tasks.__aenter__()
        self._run("recovery", self._recover())
        for carrier in self._carriers:
            self._run(carrier.stage.name, carrier.run())
        return self

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.create_task(work, name=name).add_done_callback(self._ended)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            error = error or await self._end()
            await self._tasks.__aexit__(type(error) if error else None, error, trace)
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self._close()

    async def put(self, chunk: AudioChunk) -> None:
        """Hand in audio; waits while the first stage has its hands full. Raises DependencyError once one has failed.

        With a look-back, the audio is on disk when this returns.
        """
        await self._put(chunk)
        if self._recovery:
            self._recovery.journal.add(chunk)

    async def _put(self, chunk: AudioChunk | None) -> None:
        await self._ready.wait()
        await self._carriers[0].put(chunk)

    async def _recover(self) -> None:
        """Hand on what a killed runner left: utterances to the second stage, then audio to the first."""
        if self._recovery:
            for utterance in self._recovery.utterances():
                await self._carriers[1].put(utterance)
            for chunk in self._recovery.chunks():
                await self._carriers[0].put(chunk)
        self._ready.set()

    async def _end(self) -> BaseException | None:
        """Send the end of the stream. A stage that fails meanwhile cancels us: its group must hear of that."""
        try:
            await self._put(None)
        except asyncio.CancelledError as cancelled:
            return cancelled
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        """After the group has seen it, so that the stage's own error is the first."""
        if task.cancelled() or task.exception():
            self._carriers[0].refuse()
            self._ready.set()

    def _build(self, stage: Stage) -> Processor[Any, Any]:
        if self._recovery and stage is SEGMENT:
            from pipeline.audio import segment

            return self._recovery.logged(segment.build(self._settings, self._metrics))
        if self._recovery and stage is DELIVER:
            from pipeline.review.delivery import deliver

            return deliver.build(self._settings, self._metrics, self._recovery.lookback)
        return stage.processor(self._settings, self._metrics)

    def _tap(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[Any]) -> None:
        for output in outputs:
            if isinstance(output, Rejected):
                self._metrics.dead_letters.labels(stage.name).inc()
        self._outer_tap(stage, batch, outputs)

    def _close(self) -> None:
        for carrier in self._carriers:
            carrier.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What to tell a person: the error meant for him, else the first of all."""
    meant = group.subgroup(VoxwardenError)
    error: BaseException = meant or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
