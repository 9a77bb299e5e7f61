"""Compute the figures that need only tallies and ledger again, and compare them with those of a report."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from pipeline.assessment import catalogue
from pipeline.assessment.figure import Figure
from pipeline.assessment.measure import computed
from pipeline.assessment.report import canonical, plain_options, tallies
from pipeline.assessment.report.content import AssessmentReport
from pipeline.review.database import Database

SOURCES: frozenset[catalogue.Source] = frozenset({"tallies", "ledger", "settings"})
"""Sources that the tables of a bundle have completely."""


def from_store(connection: Connection, report: AssessmentReport) -> tuple[int, list[str]]:
    """Return the number of compared figures, and the names of those that differ."""
    return _compare(report, list(_computed(connection, report)))


def from_tables(report: AssessmentReport, tallied: bytes, ledger: bytes) -> tuple[int, list[str]]:
    """Compare with the tables of a bundle, in a database of their own. Returns the same as `from_store`."""
    with tempfile.TemporaryDirectory(prefix="voxwarden-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'tables.db'}")
        try:
            with database.write() as connection:
                tallies.load(connection, tallied, ledger)
            with database.read() as connection:
                return from_store(connection, report)
        finally:
            database.close()


def _computed(connection: Connection, report: AssessmentReport) -> Iterator[Figure]:
    options = plain_options.from_plain(report.options)
    known = {each.id for each in report.definitions}
    complete = {each.id for each in catalogue.INDICATORS.values() if SOURCES.issuperset(each.sources)}
    return computed(connection, report.window, options, sorted(known & complete))


def _compare(report: AssessmentReport, computed: list[Figure]) -> tuple[int, list[str]]:
    """Compare the figures that both have: a report leaves out the split by the only policy or model."""
    found = {_key(figure): figure for figure in computed}
    stored = [figure for figure in report.figures if figure.indicator in {each.indicator for each in computed}]
    return len(stored), [_name(figure) for figure in stored if not _equal(figure, found.get(_key(figure)))]


def _equal(stored: Figure, computed: Figure | None) -> bool:
    return computed is not None and _numbers(stored) == _numbers(computed)


def _numbers(figure: Figure) -> bytes:
    return canonical.encode([figure.value, figure.n, figure.interval, figure.unmeasured])


def _key(figure: Figure) -> tuple[object, ...]:
    return figure.indicator, figure.key, tuple(sorted(figure.split.items()))


def _name(figure: Figure) -> str:
    split = ",".join(f"{name}={value}" for name, value in sorted(figure.split.items()))
    return f"{figure.indicator}.{figure.key}" + (f"[{split}]" if split else "")
