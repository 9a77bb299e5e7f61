"""The topology in one process, with a bounded queue and a thread for each stage: for one machine, files and tests.

A full queue blocks its source (backpressure), up to the client's connection or the file. At the end the runner finishes
all queued work before it closes. With a look-back, a killed runner loses nothing: the next run finishes its work
(`pipeline/runner/recovery.py`).
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipeline.base.cpu_cores import step_back
from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import AudioChunk, Message
from pipeline.contract.speech_status import statuses
from pipeline.contract.stage import BEHIND_SECONDS, RETRY_SECONDS, Backlog, Processor, Rejected
from pipeline.contract.topology import AUDIO, SOUNDS, STAGES, UTTERANCES, Stage, Topic
from pipeline.runner.recovery import Recovery
from pipeline.runner.spared_stage import SparedStage
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Settings
from pipeline.speech.load_shedding import Arrivals

if TYPE_CHECKING:
    from pipeline.judge.judge_stage import Rules
    from pipeline.review.evidence.lookback import Lookback

log = logging.getLogger(__name__)

# Size of a stage's queue in batches. Sources wait while the queue is full.
QUEUE_BATCHES = 4
LOOK_SECONDS = 0.02  # seconds after which a stage is asked again for the results that it works on
EARLY_SECONDS = 0.1  # the same for what a stage works on before its message comes
TICK_SECONDS = 0.5  # seconds between two calls of a stage's `tick`
T = TypeVar("T")
Clock = Callable[[], float]
"""UTC seconds."""


class Tap(Protocol):
    """A function that receives each batch of each stage, with the outputs."""

    def __call__(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[Any]) -> None: ...


class StageRunner:
    """Passes batches to one stage's processor, and the outputs to the next stages.

    `sources` is the number of sources that put messages into the queue. The stream ends when each has put None.
    """

    def __init__(
        self,
        stage: Stage,
        sources: int,
        tap: Tap,
        recovery: Recovery | None,
        metrics: Metrics,
        clock: Clock | None,
        *,
        beside_live: bool = False,
    ) -> None:
        self.stage = stage
        self.queue: asyncio.Queue[tuple[Message | None, float]] = asyncio.Queue(stage.batch * QUEUE_BATCHES)
        # The stages that take an output, by the type of its message.
        self.takers: Mapping[type[Message], Sequence[StageRunner]] = {}
        # The stages that may work ahead on an output, by the type of its message.
        self.early_takers: Mapping[type[Message], Sequence[StageRunner]] = {}
        self._open_sources = sources
        self.processor: Processor[Any, Any]
        self._tap = tap
        self._recovery = recovery
        self._metrics = metrics
        # Counted when it is asked for: a stage that hangs would keep the number from before.
        metrics.queue_messages.labels(stage.name).set_function(self.queue.qsize)
        self._clock = clock
        self._full_since: float | None = None
        self._arrivals = Arrivals()
        self._taken = 0
        self._refuses = False
        self._begun: list[Message] = []  # messages that were taken, and that the stage works on beside the next ones
        begin = step_back if stage.spares or beside_live else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=stage.name, initializer=begin)

    async def start(self, build: Callable[[], Processor[Any, Any]]) -> None:
        """Build the processor in the stage's own thread."""
        self.processor = await self._in_thread(build)

    async def lead_in(self) -> None:
        """Let the processor hear the audio that a killed runner had cut."""
        if self._recovery:
            await self._patiently(partial(self._recovery.lead_in, self.processor))

    async def put(self, message: Message | None) -> None:
        """Add a message; None ends the stream. Waits while the queue is full.

        Raises DependencyError if a stage has failed.
        """
        await self.queue.put((message, self._now()))
        if self._refuses:
            self.refuse()  # takes the message out again, which wakes the next waiting source
            raise DependencyError("Audio is refused because a stage has failed", "Start Voxwarden again.")

    def spares(self) -> bool:
        """Whether to leave out a live message, because the stage is behind and nothing may wait for it. Counts it."""
        # Recordings wait: they have no clock.
        spared = self.stage.spares and self._clock is not None and self.queue.full() and not self._refuses
        if spared:
            self.processor.spared()
        return spared

    def refuse(self) -> None:
        """Make all current and later calls of `put` raise: the stage has failed and takes no more messages."""
        self._refuses = True
        if not self.queue.empty():
            self.queue.get_nowait()  # wakes the first waiting source, which then wakes the next one

    async def run(self) -> None:
        """Run until the stream ends. Then drain the processor, and end the stream of the next stages."""
        loop = asyncio.get_running_loop()
        ticked = loop.time()
        while self._open_sources:
            if early := self.processor.early_outputs():
                await self._work([], partial(list, early))
            self._watch()
            batch, since = await self._take(self._patience)
            self._taken += len(batch)
            self._begun += batch
            if ready := self._ready():
                await self._work(ready, partial(self._process, ready, since))
            now = self._worked_off_to(since)
            if now is not None and loop.time() - ticked >= TICK_SECONDS:
                ticked = loop.time()
                await self._work([], partial(self.processor.tick, now))
        if rest := self._begun:
            await self._work(rest, partial(self._process, rest, self._now()))
        await self._work([], self.processor.drain)
        if self._recovery:
            await self._patiently(partial(self._recovery.drained, self.stage))
        for taker in _each(self.takers):  # only now, because a drain has outputs, too
            await taker.put(None)

    def close(self) -> None:
        if hasattr(self, "processor"):  # `start` may have failed
            self._thread.submit(self.processor.close).result()  # in its own thread, as all calls of the processor
        self._thread.shutdown()

    def _now(self) -> float:
        return self._clock() if self._clock else 0.0

    @property
    def _patience(self) -> float | None:
        """The longest wait for a message in seconds. None: without limit."""
        if self._begun:
            return LOOK_SECONDS
        if self._clock and self.stage.early:
            return EARLY_SECONDS
        return TICK_SECONDS if self._clock else None

    def _ready(self) -> list[Message]:
        """Take out the messages that were begun and can be processed now."""
        ready = self.processor.ready(self._begun) if self._clock and self._begun else self._begun
        chosen = set(map(id, ready))  # by identity: a message with a dict has no hash
        self._begun = [each for each in self._begun if id(each) not in chosen]
        return ready

    def _watch(self) -> None:
        """Note since when the queue is full. Sources then wait outside of it, longer than its messages show."""
        if not self.queue.full():
            self._full_since = None
        elif self._full_since is None:
            self._full_since = self._now()

    def _waited(self, since: float) -> float:
        oldest = since if self._full_since is None else min(since, self._full_since)
        return self._now() - oldest

    def _worked_off_to(self, since: float) -> float | None:
        """UTC seconds up to which all messages are processed; None for files, and during a backlog.

        `since` is the arrival of the oldest message of the batch.
        """
        if not self._clock:
            return None
        if self.queue.empty():
            return self._clock()
        # During a backlog, the audio of a speaker who seems silent may be in the queue. But a busy queue is no backlog:
        # otherwise the time for `tick` would stop under load.
        return since if self._waited(since) <= BEHIND_SECONDS else None

    def _backlog(self, taken: int, since: float) -> Backlog:
        """The backlog for the processor."""
        waiting = self.queue.qsize()
        self._arrivals.see(self._taken + waiting, self._now())
        # Nobody can count the messages that wait outside of a full queue.
        arrivals = self._arrivals.rate if self._full_since is None else math.inf
        return Backlog(self._waited(since), taken + waiting, arrivals)

    def _process(self, batch: list[Message], since: float) -> list[Any]:
        if self._clock:
            self.processor.behind(self._backlog(len(batch), since))
        return self.processor.handle(batch)

    async def _take(self, patience: float | None) -> tuple[list[Message], float]:
        """The messages that come within `wait_seconds` of the first one, and the arrival time of the first one, or now.

        `patience` is the longest wait for the first message in seconds; None waits without limit.
        """
        batch: list[Message] = []
        first = self._now()
        try:
            async with asyncio.timeout(patience) as limit:
                while len(batch) < self.stage.batch:
                    message, since = await self.queue.get()
                    if message is None:
                        self._open_sources -= 1
                        return batch, first
                    if not batch:
                        first = since  # from now on, wait only for a batch
                        limit.reschedule(asyncio.get_running_loop().time() + self.stage.wait_seconds)
                    batch.append(message)
        except TimeoutError:
            log.debug("%s: %d messages before the timeout", self.stage.name, len(batch))
        return batch, first

    async def _work(self, batch: list[Message], work: Callable[[], list[Any]]) -> None:
        self._metrics.messages.labels(self.stage.name).inc(len(batch))
        with self._metrics.batch_seconds.labels(self.stage.name).time():
            outputs = await self._patiently(work)
        outputs = [*outputs, *statuses(self.stage, outputs)]
        self._tap(self.stage, batch, outputs)  # first, because the tap writes the dead letters
        if self._recovery:
            await self._patiently(partial(self._recovery.note, self.stage, self.processor, batch, outputs))
        for output in outputs:
            for taker in self.early_takers.get(type(output), ()):
                taker.processor.early([output])
            for taker in self.takers.get(type(output), ()):
                if not taker.spares():
                    await taker.put(output)

    async def _patiently(self, work: Callable[[], T]) -> T:
        for pause in RETRY_SECONDS:
            try:
                return await self._in_thread(work)
            except DependencyError as error:
                log.warning("%s: %s; retry in %s s", self.stage.name, error, pause)
                await asyncio.sleep(pause)
        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        # With the context, the log names the request to the API that brought the audio.
        return await asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, work)


class LocalRunner:
    """`async with LocalRunner(...) as runner: await runner.put(chunk)`. The end of the block drains all stages.

    With a `lookback`, utterances are kept on disk for some time, and the deliver stage takes its evidence from there.
    The unfinished work of a killed runner is then processed before new audio. `rules` makes the rules of the judge;
    without it, the files of the settings have them. `clock` (UTC seconds) is for live audio: it ends the speech of a
    speaker who falls silent without leaving. For files it is None. `build` replaces `build_processor`. The block raises
    the error of a failed stage. But live audio does not stop for a failure of a stage that nothing waits for: that
    stage is off for a while by `timer` (seconds that never go back). With `beside_live`, the stages let the live audio
    of another runner go first.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        tap: Tap,
        *,
        stages: Sequence[Stage] = STAGES,
        lookback: "Lookback | None" = None,
        rules: "Callable[[], Rules] | None" = None,
        clock: Clock | None = time.time,
        timer: Callable[[], float] = time.monotonic,
        build: Callable[..., Processor[Any, Any]] = build_processor,
        beside_live: bool = False,
    ) -> None:
        self._settings = settings
        self._build_processor = build
        self._beside_live = beside_live
        self._rules = rules
        self._metrics = metrics
        self._clock, self._timer = clock, timer
        self._outer_tap = tap
        self._recovery = Recovery(settings, lookback) if lookback else None
        self._ready = asyncio.Event()
        stages = [stage for stage in stages if stage.is_on(settings)]
        self._runners = [self._runner(stage, stages) for stage in stages]
        for counter in (metrics.messages, metrics.dead_letters):
            from_zero(counter, [stage.name for stage in stages])
        for runner in self._runners:
            gives = {topic.message: topic for topic in runner.stage.gives if topic.message}
            runner.takers = {kind: self._takers(topic) for kind, topic in gives.items()}
            runner.early_takers = {
                kind: [each for each in self._runners if each.stage.early is topic] for kind, topic in gives.items()
            }
        self._entries = self._takers(AUDIO)
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> "LocalRunner":
        try:
            await asyncio.gather(*(runner.start(partial(self._build, runner.stage)) for runner in self._runners))
        except BaseException:
            self._close()
            raise
        await self._tasks.__aenter__()
        self._run("recovery", self._recover())
        for runner in self._runners:
            self._run(runner.stage.name, runner.run())
        return self

    def _runner(self, stage: Stage, stages: Sequence[Stage]) -> StageRunner:
        before = sum(len({*each.gives} & {*stage.takes}) > 0 for each in stages)
        sources = before + (AUDIO in stage.takes)
        return StageRunner(
            stage, sources, self._tap, self._recovery, self._metrics, self._clock, beside_live=self._beside_live
        )

    def _takers(self, topic: Topic) -> list[StageRunner]:
        return [runner for runner in self._runners if topic in runner.stage.takes]

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
        """Add audio. Waits while the queue of the first stage is full. Raises DependencyError if a stage has failed.

        With a look-back, the audio is on disk when this method returns.
        """
        await self._put(chunk)
        if self._recovery:  # only now, so that a refused chunk is not processed at the next start
            self._recovery.journal.add(chunk)

    async def _put(self, chunk: AudioChunk | None) -> None:
        await self._ready.wait()
        for runner in self._entries:
            if not (chunk and runner.spares()):
                await runner.put(chunk)

    async def _recover(self) -> None:
        """Add the utterances, the sounds and the audio that a killed runner left."""
        if self._recovery:  # the oldest work first
            await self._enqueue(UTTERANCES, self._recovery.utterances())
            await self._enqueue(SOUNDS, self._recovery.sounds())
            await asyncio.gather(*(runner.lead_in() for runner in self._entries))
            await self._enqueue(AUDIO, self._recovery.chunks())
        self._ready.set()

    async def _enqueue(self, topic: Topic, messages: Iterable[Message]) -> None:
        takers = self._takers(topic)
        for message in messages:
            for taker in takers:
                await taker.put(message)

    async def _end(self) -> BaseException | None:
        """Send the end of the stream. Returns the cancellation if a stage fails meanwhile."""
        try:
            await self._put(None)
        except asyncio.CancelledError as cancelled:
            return cancelled  # for the task group, which raises the error of the stage instead
        return None

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Refuse more audio if a task failed."""
        if task.cancelled() or task.exception():  # the task group's own callback ran first, and has the error
            for runner in self._entries:
                runner.refuse()
            self._ready.set()  # else `put` would wait for a recovery that never ends

    def _build(self, stage: Stage) -> Processor[Any, Any]:
        if stage.spares and self._clock:  # a recording waits for all stages, and their errors are for its user
            return SparedStage(stage.name, partial(self._processor, stage), self._metrics, self._timer)
        return self._processor(stage)

    def _processor(self, stage: Stage) -> Processor[Any, Any]:
        lookback = self._recovery.lookback if self._recovery else None
        rules = self._rules() if self._rules and stage.follows else None
        try:
            return self._build_processor(stage, self._settings, self._metrics, lookback, rules)
        except BaseException:
            if rules:  # else their thread would go on, and a spared stage is built again and again
                rules.close()
            raise

    def _tap(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[Any]) -> None:
        for output in outputs:
            if isinstance(output, Rejected):
                self._metrics.dead_letters.labels(stage.name).inc()
        self._outer_tap(stage, batch, outputs)

    def _close(self) -> None:
        for runner in self._runners:
            runner.close()


def _each(takers: Mapping[type[Message], Sequence[StageRunner]]) -> list[StageRunner]:
    """All runners in `takers`, each one once."""
    return list(dict.fromkeys(runner for found in takers.values() for runner in found))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to show to the user: the first VoxwardenError, or the first of all errors."""
    meant = group.subgroup(VoxwardenError)
    error: BaseException = meant or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
