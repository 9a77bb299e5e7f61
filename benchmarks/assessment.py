"""Measure how long the figures of a quarter take in a large store, and how much memory.

    python -m benchmarks.assessment [--utterances 100000000] [--cases 1000000] [--store postgresql] [--folder DIR]

It fills a store with the tallies of a quarter of speech and with cases. It prints the seconds and the peak memory of
the snapshot of the cases, of the indicators that share a query, and of the digests, one after the other. Then it
measures all figures, a report, and the weeks that the console's page draws, each in a process of its own. CPU time and
memory are those of this program and of its process of the PostgreSQL server. With --folder, it keeps a SQLite store
there, and measures it again if it is already filled.
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, func, select

from benchmarks import quarter, report
from pipeline.assessment import options
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.measure import Compute, computed, function, measure, take_snapshot
from pipeline.assessment.report import data_files, stored_evidence
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.gather import draft
from pipeline.console.assessment.assessment_pages import last_weeks
from pipeline.console.background_figures import OF_WEEKS
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.settings import Settings
from tests.pipeline.review import postgres

P = ParamSpec("P")
T = TypeVar("T")

QUARTER = Window(quarter.BEGIN, quarter.BEGIN + quarter.SECONDS)


@dataclass(frozen=True)
class ReportCost:
    """Seconds of wall time and of CPU time, and the peak memory in MB."""

    name: str
    seconds: float
    cpu: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.name:<44}{self.seconds:>8.1f} s{self.cpu:>8.1f} s CPU{self.megabytes:>8.0f} MB"


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--utterances", type=int, default=100_000_000)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=quarter.DAYS, help="last days of the quarter with tallies")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--folder", type=Path, help="where to keep the SQLite store (default: it is deleted)")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "store.db"
        filled = file.exists()
        url = stack.enter_context(postgres.server()) if chosen.store == "postgresql" else f"sqlite:///{file}"
        if not filled:
            begin = time.monotonic()
            _alone(fill, url, chosen.utterances, chosen.cases, chosen.days)
            print(f"filled in {time.monotonic() - begin:.0f} s", flush=True)
        for cost in costs(url):
            print(cost, flush=True)
    print(report.machine())


def fill(url: str, utterances: int, cases: int, days: int) -> None:
    with closing(Database(url)) as database:
        quarter.fill(database, utterances, cases, days)


def costs(url: str) -> Iterator[ReportCost]:
    """Yield the costs of the parts of a report, one after the other, and then of all figures and of a whole report."""
    with closing(Database(url)) as database, database.read_in_background() as read:
        for name, part in parts(read):
            yield _cost(name, read, part)
    for work in (every, whole, weekly):
        yield _alone(work, url)


def _alone(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Do some work in a new process, so that its memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given, **named).result()


def parts(read: Connection) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the snapshot, each function of indicators, and the digests: the name and the work. Do them in order."""
    chosen = options.build(Settings())
    named: dict[Compute, list[str]] = {}
    for name, indicator in INDICATORS.items():
        named.setdefault(function(indicator), []).append(name)
    yield "snapshot", lambda: take_snapshot(read, QUARTER)
    for compute, names in named.items():
        yield ", ".join(names), lambda: list(compute(read, QUARTER, chosen))  # noqa: B023 - it is called at once
    yield "digests of the records", lambda: stored_evidence.collect(read, QUARTER)
    yield "tallies and their digest", lambda: data_files.packed(read, QUARTER)


def every(url: str) -> ReportCost:
    """Compute all figures."""
    return _reading(url, "all figures", lambda read: measure(read, QUARTER, options.build(Settings())))


def whole(url: str) -> ReportCost:
    """Compute the content of a report: the figures, the digests of the records, and that of the tallies."""
    assessment = Assessment(
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
    return _reading(url, "report", lambda read: draft(read, assessment, Settings()))


def weekly(url: str) -> ReportCost:
    """Compute the figures of each of the last weeks, as the console does for their lines."""
    chosen, weeks = options.build(Settings()), last_weeks(QUARTER.until, UTC)

    def work(read: Connection) -> None:
        for week in weeks:
            list(computed(read, week, chosen, OF_WEEKS))

    return _reading(url, f"{len(weeks)} weeks", work)


def _reading(url: str, name: str, work: Callable[[Connection], Any]) -> ReportCost:
    with closing(Database(url)) as database, database.read_in_background() as connection:
        return _cost(name, connection, lambda: work(connection))


def _cost(name: str, connection: Connection, work: Callable[[], object]) -> ReportCost:
    pid = connection.scalar(select(func.pg_backend_pid())) if connection.dialect.name == "postgresql" else None
    begin, busy = time.monotonic(), _cpu(pid)
    work()
    return ReportCost(name, time.monotonic() - begin, _cpu(pid) - busy, _peak(pid))


def _cpu(server: int | None) -> float:
    """Return the seconds of CPU time of this process, and of the server's process if there is one."""
    return time.process_time() + (report.cpu_seconds(server) if server else 0.0)


def _peak(server: int | None) -> float:
    """Return the peak memory of this process, and of the server's process with the buffers that it has used, in MB."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if server is None:
        return own / 1024
    [used] = [line for line in Path(f"/proc/{server}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return (own + int(used.split()[1])) / 1024


if __name__ == "__main__":
    main()
