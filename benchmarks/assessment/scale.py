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
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.measure import Compute, function, measure
from pipeline.assessment.report import data_files, stored_evidence
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.gather import draft
from pipeline.review.database import Database
from pipeline.review.quality import snapshot
from pipeline.review.quality.figure import Window
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
    """Yield the costs of the parts of a report, one after the other, and then of all figures and of a whole report."""
    yield from _parts(url)
    for work in (partial(every, url), partial(report, url)):
        yield _apart(work)


def _parts(url: str) -> Iterator[ReportCost]:
    """Yield the costs of the snapshot, of each function of indicators, and of the digests, in one transaction."""
    chosen = options(Rules(), None)
    named: dict[Compute, list[str]] = {}
    for name, indicator in INDICATORS.items():
        named.setdefault(function(indicator), []).append(name)
    database = Database(url)
    try:
        with database.read() as read:
            yield _cost("snapshot", partial(snapshot.take, read, QUARTER.until))
            for compute, names in named.items():
                yield _cost(", ".join(names), lambda: list(compute(read, QUARTER, chosen)))  # noqa: B023 - it is called at once
            yield _cost("digests of the records", partial(stored_evidence.collect, read, QUARTER))
            yield _cost("digest of the tallies", partial(data_files.digest, read, QUARTER))
    finally:
        database.close()


def every(url: str) -> ReportCost:
    """Compute all figures, with their trend."""
    return _whole(url, "all figures", lambda read: measure(read, QUARTER, options(Rules(), None)))


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
    return _whole(url, "report", lambda read: draft(read, quarter, Settings()))


def _whole(url: str, name: str, work: Callable[[Connection], Any]) -> ReportCost:
    database = Database(url)
    try:
        with database.read() as connection:
            return _cost(name, partial(work, connection))
    finally:
        database.close()


def _cost(name: str, work: Callable[[], Any]) -> ReportCost:
    begin, busy = time.monotonic(), time.process_time()
    work()
    seconds, cpu = time.monotonic() - begin, time.process_time() - busy
    return ReportCost(name, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _apart(work: Callable[[], ReportCost]) -> ReportCost:
    """Run work in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work).result()
