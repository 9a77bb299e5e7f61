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
from benchmarks.assessment.simulate import options
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
    """Seconds, and the peak memory of the whole process in MB."""

    name: str
    seconds: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.name:<44}{self.seconds:>8.1f} s{self.megabytes:>8.0f} MB"


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
    works = [*(partial(one, url, name) for name in names), partial(every, url), partial(report, url)]
    for work in works:
        yield _apart(work)


def one(url: str, name: str) -> ReportCost:
    """Compute one indicator."""
    indicator = INDICATORS[name]
    compute = function(indicator)
    return _cost(url, f"{name} {indicator.name}", lambda read: list(compute(read, QUARTER, options())))


def every(url: str) -> ReportCost:
    """Compute all figures, with their trend."""
    return _cost(url, "measure", lambda read: measure(read, QUARTER, options()))


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


def _cost(url: str, name: str, work: Callable[[Connection], Any]) -> ReportCost:
    database = Database(url)
    try:
        with database.read() as connection:
            begin = time.monotonic()
            work(connection)
            return ReportCost(name, time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    finally:
        database.close()


def _apart(work: Callable[[], ReportCost]) -> ReportCost:
    """Run work in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work).result()
