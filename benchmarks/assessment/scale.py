"""Measures how long the figures of a quarter take on a large store, and how much memory."""

import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from benchmarks.assessment import bulk
from benchmarks.assessment.settings import options
from benchmarks.assessment.truth.rules import Rules
from pipeline.assessment import snapshot
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.figure import Window
from pipeline.assessment.measure import function, measure
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.gather import draft
from pipeline.review.database import Database
from pipeline.settings import Settings

QUARTER = Window(bulk.BEGIN, bulk.BEGIN + bulk.SECONDS)


@dataclass(frozen=True)
class ReportCost:
    """Seconds of wall time and of CPU time of the process, and its peak memory in MB."""

    name: str
    seconds: float
    cpu: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.name:<44}{self.seconds:>8.1f} s{self.cpu:>8.1f} s CPU{self.megabytes:>8.0f} MB"


def fill(url: str, utterances: int, cases: int) -> float:
    """Fill the empty store at `url`. Return the seconds that it took."""
    begin = time.monotonic()
    database = Database(url)
    try:
        bulk.fill(database, utterances, cases)
    finally:
        database.close()
    return time.monotonic() - begin


def costs(url: str) -> Iterator[ReportCost]:
    """Yield the cost of each indicator, of all figures of the quarter, and of a report. Each has a new process."""
    names = [name for name, indicator in INDICATORS.items() if indicator.compute]
    works = [
        partial(ranked, url),
        *(partial(one, url, name) for name in names),
        partial(every, url),
        partial(report, url),
    ]
    for work in works:
        yield _apart(work)


def ranked(url: str) -> ReportCost:
    """Take the snapshot of the cases, which many indicators read."""
    return _cost(url, "snapshot", lambda read: snapshot.take(read, QUARTER.until))


def one(url: str, name: str) -> ReportCost:
    """Compute one indicator, from a snapshot that was taken before."""
    compute = function(INDICATORS[name])
    return _cost(
        url, f"{name} {INDICATORS[name].name}", lambda read: list(compute(read, QUARTER, options(Rules(), None))), True
    )


def every(url: str) -> ReportCost:
    """Compute all figures, with their trend."""
    return _cost(url, "measure", lambda read: measure(read, QUARTER, options(Rules(), None)))


def report(url: str) -> ReportCost:
    """Compute the content of a report: the figures, the digests of the records, and that of the tallies."""
    quarter = Assessment(
        id="scale",
        title="a quarter",
        since=QUARTER.since,
        until=QUARTER.until,
        opened_by="lea",
        opened_at=QUARTER.until,
        state="draft",
        sha256=None,
        content=None,
    )
    return _cost(url, "report", lambda read: draft(read, quarter, Settings()))


def _cost(url: str, name: str, work: Callable[[Connection], Any], needs_snapshot: bool = False) -> ReportCost:
    database = Database(url)
    try:
        with database.read() as connection:
            if needs_snapshot:
                snapshot.take(connection, QUARTER.until)
            begin, busy = time.monotonic(), time.process_time()
            work(connection)
            seconds, cpu = time.monotonic() - begin, time.process_time() - busy
            return ReportCost(name, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    finally:
        database.close()


def _apart(work: Callable[[], ReportCost]) -> ReportCost:
    """Run work in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work).result()
