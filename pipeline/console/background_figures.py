"""Measures windows in the background, and keeps the results. On a large store a window takes up to a minute.

One thread measures one window at a time, so that moderators keep the other cores and most of the database. A result is
kept as long as the store does not change. If the store has changed, readers see the old result with its age until a new
one is there.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any, Generic, TypeVar

from msgspec import Struct
from sqlalchemy import Connection, func, select
from starlette.concurrency import run_in_threadpool

from pipeline.assessment import measure, options
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.report import assessments, gather
from pipeline.assessment.report.gather import Measurement
from pipeline.judge.labels import Labels
from pipeline.review.database import Database
from pipeline.review.quality import trends
from pipeline.review.quality.figure import Figure, Window
from pipeline.review.quality.trends import QualityFigures, QualityQuestion, TeamFigures
from pipeline.review.tables.assessment_tables import ACTIONS, COUNTED, DRILL_LINES, REGISTER, ROOM_HOURS
from pipeline.review.tables.case_tables import APPEALS, REPORTS
from pipeline.review.tables.core import AUDIT, FLAGS
from pipeline.settings import Settings

K = TypeVar("K")
T = TypeVar("T")
State = tuple[float | None, ...]
WeekValues = dict[tuple[str, str], float | None]  # by indicator and key

KEEP_SECONDS = 300.0  # a result is kept for at least this long, whatever happens in the store
KEEP_TIMES = 10.0  # it is kept for at least this many times as long as it took, so that readers cause a bounded load
WAIT_SECONDS = 2.0  # Seconds that a page waits for its first result. Then it says that the window is being measured.
STOP_SECONDS = 0.05  # pause between two attempts to interrupt a measurement
TEAM_SECONDS = 10.0  # as KEEP_SECONDS for the team: a lead watches the queue at this moment
MOST = 16  # the most results that are kept, and the most windows that wait
FOR_EVER = math.inf  # a week that has ended stays as it was measured
OF_WEEKS = tuple(name for name in INDICATORS if name != measure.OF_TODAY)
"""The indicators that are measured for the last weeks."""
MOST_DRAFTS = 2  # a draft holds a digest of each record: about 100 MB with a million cases

# Columns whose largest value grows when data for a figure arrive. People's decisions are in the audit log.
NEWS = (
    AUDIT.c.seq,
    COUNTED.c.at,
    FLAGS.c.stored_at,
    ACTIONS.c.at,
    ROOM_HOURS.c.received_at,
    REPORTS.c.created_at,
    APPEALS.c.created_at,
    DRILL_LINES.c.stored_at,
    REGISTER.c.changed_at,
)


class Kept(Struct, Generic[T], frozen=True):
    """A result."""

    value: T
    at: float
    """When it was measured, in UTC seconds."""
    seconds: float
    """How long it took."""
    state: State
    """What the store had: see `state_of`."""


class Running(Struct, frozen=True):
    """A measurement that has not ended."""

    started: bool
    """False: it waits for another one."""
    seconds: float
    """Time since it was asked for."""
    usual: float | None
    """How long the last measurement took. None: there was none."""


class Look(Struct, Generic[T], frozen=True):
    """What a reader sees: the newest result, and the measurement of the next one. At least one of them is there."""

    kept: Kept[T] | None
    running: Running | None


class _Job(Struct, frozen=True):
    future: Future[Exception | None]
    """Gives the error of a measurement that failed."""
    asked_at: float
    """A time of the monotonic clock."""


class Background(Generic[K, T]):
    """Measures what the keys ask for, with `measure` in the threads of `pool`. A key is a window, for example.

    A result is kept for `keep` seconds at least, and longer if the store does not change. With `ages`, it also changes
    with the time alone, so it is not kept longer. Of all results, the `most` newest are kept. `clock` returns UTC
    seconds.
    """

    def __init__(
        self,
        pool: Executor,
        database: Database,
        measure: Callable[[Connection, K], T],
        clock: Callable[[], float],
        keep: float = KEEP_SECONDS,
        *,
        ages: bool = False,
        most: int = MOST,
    ) -> None:
        self._pool = pool
        self._database = database
        self._measure = measure
        self._clock = clock
        self._keep_seconds = keep
        self._ages = ages
        self._most = most
        self._lock = Lock()
        self._kept: dict[K, Kept[T]] = {}
        self._jobs: dict[K, _Job] = {}
        self._usual: float | None = None
        self._connection: Any = None
        """The driver's connection while something is measured."""

    def look(self, key: K) -> Look[T]:
        """Return what there is now. Start a measurement if there is no result, or an old one of a changed store.

        Raises the error of a measurement that failed, once.
        """
        kept = self._kept.get(key)
        self._job(key, self._outdated(kept), kept)
        return self._now(key)

    async def wait(self, key: K, seconds: float | None = None, *, newest: bool = False) -> Look[T]:
        """Look, but wait for a first result for `seconds` (WAIT_SECONDS); with `newest`, also for the next one."""
        found = await run_in_threadpool(self.look, key)
        job = self._jobs.get(key)
        if job and (newest or found.kept is None):
            # Not `wait_for`: it cancels the measurement at its timeout, but other readers wait for it, too.
            await asyncio.wait([asyncio.wrap_future(job.future)], timeout=WAIT_SECONDS if seconds is None else seconds)
            self._job(key, start=False)  # raises the error of a measurement that failed meanwhile
        return self._now(key)

    def again(self, key: K) -> None:
        """Measure it now, unless the store is as it was for the last result."""
        with self._database.read() as connection:
            state = state_of(connection)
        kept = self._kept.get(key)
        self._job(key, kept is None or kept.state != state, kept)

    def interrupt(self) -> bool:
        """Make the database end the query in progress, so that the measurement fails. Return False if there is none."""
        with self._lock:
            if (raw := self._connection) is None:
                return False
            raw.interrupt() if hasattr(raw, "interrupt") else raw.cancel()  # SQLite, PostgreSQL
            return True

    def _now(self, key: K) -> Look[T]:
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                return Look(self._kept.get(key), None)
            running = Running(job.future.running(), time.monotonic() - job.asked_at, self._usual)
            return Look(self._kept.get(key), running)

    def _job(self, key: K, start: bool, seen: Kept[T] | None = None) -> None:
        """Forget its measurement if it has ended. With `start`, start one if there is none.

        `seen` is the result that the caller found to be too old.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job and job.future.done():
                del self._jobs[key]
                if error := job.future.result():
                    raise error
            # If `seen` is not the newest result any more, a measurement has ended since the caller looked.
            elif job is None and start and self._kept.get(key) is seen:
                self._jobs[key] = _Job(self._pool.submit(self._run, key), time.monotonic())
                self._cancel_oldest()

    def _outdated(self, kept: Kept[T] | None) -> bool:
        if kept is None:
            return True
        if self._clock() - kept.at < max(self._keep_seconds, KEEP_TIMES * kept.seconds):
            return False
        if self._ages:
            return True
        with self._database.read() as connection:
            return state_of(connection) != kept.state

    def _cancel_oldest(self) -> None:
        if len(self._jobs) > MOST:
            # Jobs stand in the order in which they were asked for. One thread measures, so all but one only wait.
            oldest = next(key for key, job in self._jobs.items() if not job.future.running())
            self._jobs.pop(oldest).future.cancel()

    def _run(self, key: K) -> Exception | None:
        try:
            self._keep(key)
        # Returned, not raised: asyncio logs an exception that nobody fetches, and a page may have gone meanwhile.
        except Exception as error:
            return error
        return None

    def _keep(self, key: K) -> None:
        began, at = time.monotonic(), self._clock()
        with self._database.read_in_background() as connection, self._interruptible(connection):
            state = state_of(connection)
            # The state was read before: data that arrive during the measurement make its result outdated.
            value = self._measure(connection, key)
        seconds = time.monotonic() - began
        with self._lock:
            self._usual = seconds
            self._kept.pop(key, None)  # so that the new result stands at the end, as the youngest
            self._kept[key] = Kept(value, at, seconds, state)
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]

    @contextmanager
    def _interruptible(self, connection: Connection) -> Iterator[None]:
        self._connection = connection.connection.dbapi_connection
        try:
            yield
        finally:
            with self._lock:  # after this, `interrupt` cannot hit the next user of the connection
                self._connection = None


class BackgroundFigures:
    """The figures of windows, the parts of draft reports, and the figures of weeks, of the team and of quality.

    One thread measures the first two, one the weeks, and one the others.
    """

    def __init__(self, database: Database, settings: Settings, labels: Labels, clock: Callable[[], float]) -> None:
        """Raises ConfigError for a limit of an unknown figure."""
        chosen = options.of(settings, labels)
        self._pool = ThreadPoolExecutor(1, "measure")
        self.figures = Background[Window, list[Figure]](
            self._pool,
            database,
            lambda connection, window: measure.measure(
                connection, window, chosen, assessments.figures_before(connection, window)
            ),
            clock,
        )
        self.drafts = Background[Window, Measurement](
            self._pool,
            database,
            lambda connection, window: gather.measure(connection, window, settings),
            clock,
            most=MOST_DRAFTS,
        )
        # Its own thread: thirteen weeks must not hold up the figures of a page.
        self._weekly = ThreadPoolExecutor(1, "weeks")
        self.weeks = Background[Window, WeekValues](
            self._weekly,
            database,
            lambda connection, week: {
                (figure.indicator, figure.key): figure.value
                for figure in measure.computed(connection, week, chosen, OF_WEEKS)
                if not figure.split
            },
            clock,
            FOR_EVER,
        )
        # A thread of their own, too: these take seconds, and must not wait for a minute behind a window.
        self._short = ThreadPoolExecutor(1, "quality")
        self.quality = Background[QualityQuestion, QualityFigures](
            self._short,
            database,
            lambda connection, asked: trends.measure(connection, asked, clock()),
            clock,
            ages=True,
        )
        self.team = Background[str, TeamFigures](
            self._short,
            database,
            lambda connection, _: trends.team(connection, clock()),
            clock,
            TEAM_SECONDS,
            ages=True,
        )

    def close(self) -> None:
        """End the measurements in progress, and drop the others."""
        pools = (self._pool, self._weekly, self._short)
        for pool in pools:
            # Drop the waiting jobs first, so that none of them starts when the running one is interrupted.
            pool.shutdown(wait=False, cancel_futures=True)
        while any(each.interrupt() for each in (self.figures, self.drafts, self.weeks, self.quality, self.team)):
            time.sleep(STOP_SECONDS)  # between two queries there is nothing to interrupt
        for pool in pools:
            pool.shutdown()


def state_of(connection: Connection) -> State:
    """Return values that change when data for a figure arrive."""
    return tuple(connection.scalar(select(func.max(column))) for column in NEWS)
