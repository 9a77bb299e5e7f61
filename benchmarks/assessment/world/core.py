"""The clock, the store and the notes that all parts of a simulated world share."""

import heapq
import random
from collections.abc import Callable, Iterator
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, update

from benchmarks.assessment.clips import MemoryEvidence
from benchmarks.assessment.facts import BEGIN, DAY, SEVERITIES, Act, WorldHistory
from benchmarks.assessment.speech import DAYS
from benchmarks.assessment.world.failing import FailingDatabase, MidwayError
from pipeline.review.cases.ranking import Ranking
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.case_tables import DRAW_KEY

END = BEGIN + DAYS * DAY
FAILURES = 0.04
"""The share of transactions that fail midway once."""
LONGEST = 12
"""Statements before which a transaction fails at the latest."""

Process = Iterator[float]
"""Something that goes on in the world. It yields the time at which it goes on next."""
P = ParamSpec("P")
T = TypeVar("T")


class UnexpectedError(Exception):
    """The store did something else than the world predicted."""


class World:
    """The database at `url` must be empty."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._queue: list[tuple[float, int, Process]] = []
        self._started = 0
        self.rng = random.Random(seed)
        self.now = BEGIN - DAY
        self.history = WorldHistory()
        self.evidence = MemoryEvidence()
        self.database = FailingDatabase(url)
        with self.database.write() as connection:
            # With the key that the migration made, each world would have other checks.
            connection.execute(update(DRAW_KEY).values(key=b"the same checks in each world"))
        self.store = self._opened()

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    # The clock

    def start(self, process: Process, at: float) -> None:
        """Let a process go on at a time (UTC seconds)."""
        self._started += 1
        heapq.heappush(self._queue, (at, self._started, process))

    def run(self, until: float) -> None:
        """Let everything happen that happens before a time."""
        while self._queue and self._queue[0][0] < until:
            self.now, _, process = heapq.heappop(self._queue)
            if (later := next(process, None)) is not None:
                self.start(process, later)

    # The store

    def write(self, action: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Do something in one transaction. Some transactions fail midway, and are repeated."""

        def once() -> T:
            with self.database.write() as connection:
                return action(connection, *args, **options)

        return self.repeat(once)

    def repeat(self, action: Callable[[], T]) -> T:
        """Do something that writes. Sometimes it fails midway, and is repeated as a whole."""
        if self.rng.random() < FAILURES:
            try:
                with self.database.failing(self.rng.randrange(LONGEST)):
                    return action()
            except MidwayError:
                self.history.aborted += 1
        return action()

    def refused(
        self,
        error: type[Exception],
        action: Callable[Concatenate[Connection, P], object],
        *args: P.args,
        **options: P.kwargs,
    ) -> None:
        """Try something that the product must refuse with this error."""
        try:
            self.write(action, *args, **options)
        except error:
            return
        raise UnexpectedError(f"no {error.__name__} was raised")

    def restart(self) -> None:
        """Open the store again, as a new process does."""
        self.database.close()
        self.database = FailingDatabase(self._url)
        self.store = self._opened()

    def _opened(self) -> SqlReviewStore:
        return SqlReviewStore(self.database, ranking=Ranking(SEVERITIES))

    # Notes

    def act(self, person: str, action: str, case: str) -> None:
        """Note what a person did in a case. It is also a line of the audit log."""
        self.history.acts.append(Act(self.now, person, action, case))
        self.line()

    def line(self, count: int = 1) -> None:
        """Note that the audit log got lines."""
        self.history.lines.extend([self.now] * count)
