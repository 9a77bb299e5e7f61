"""Compute the figures of a report again, and compare them with the figures in it.

Decisions, appeals, speech and settings that came later change no figure of a past window. What can change is told: some
values describe the store as it was, retention deletes cases, and people correct entries of the register.
"""

import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, func, select

from pipeline.assessment import catalogue
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.measure import OF_CASES, computed, figure_key
from pipeline.assessment.options import from_plain
from pipeline.assessment.report import data_files, stored_evidence
from pipeline.assessment.report.content import AssessmentReport
from pipeline.base import canonical_json
from pipeline.review.database import Database
from pipeline.review.quality.figure import Figure
from pipeline.review.tables.assessment_tables import REGISTER
from pipeline.review.tables.core import AUDIT

OF_TABLES: frozenset[catalogue.Source] = frozenset({"tallies", "ledger", "settings"})
"""Sources that the tables of a bundle have completely."""
DELETIONS = ("case.expire", "case.erase", "audio.expire")
"""Lines of the audit log about deleted records."""


class Recomputed(Struct, frozen=True, kw_only=True):
    """The result of a comparison. `different` and `now` name figures such as `I-06.p95`, the others name indicators."""

    same: int
    """The number of figures that are the same."""
    different: tuple[str, ...] = ()
    """Figures that differ although their sources are there."""
    deleted: tuple[str, ...] = ()
    """Indicators that differ, and whose records were deleted after the report."""
    corrected: tuple[str, ...] = ()
    """Indicators that differ, and whose entries of the register were changed after the report."""
    now: tuple[str, ...] = ()
    """Figures that describe the store at the time of the report."""


def from_store(connection: Connection, report: AssessmentReport) -> Recomputed:
    """Compare all figures of a final report."""
    return _compared(connection, report, INDICATORS)


def from_tables(report: AssessmentReport, tallied: bytes, ledger: bytes) -> Recomputed:
    """Compare the figures that need only the tables of a bundle, in a database of their own."""
    chosen = [each.id for each in INDICATORS.values() if OF_TABLES.issuperset(each.sources)]
    with tempfile.TemporaryDirectory(prefix="voxwarden-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'tables.db'}")
        try:
            # The same code as for a live store computes the figures, so load the tables into a store of their own.
            with database.write() as connection:
                data_files.load(connection, tallied, ledger)
            with database.read() as connection:
                return _compared(connection, report, chosen)
        finally:
            database.close()


def _compared(connection: Connection, report: AssessmentReport, indicators: Collection[str]) -> Recomputed:
    """Compare the figures that both have: a report leaves out the split by the only policy or model."""
    known = {each.id for each in report.definitions} & set(indicators)  # an older report has fewer indicators
    found = {figure_key(figure): figure for figure in _computed(connection, report, known)}
    stored = [each for each in (*report.figures, *report.drill_figures) if each.indicator in known]
    lasting = [each for each in stored if not _of_now(each)]
    different = [each for each in lasting if not _equal(each, found.get(figure_key(each)))]
    deleted = _using(different, OF_CASES if _cases_deleted(connection, report) else set())
    deleted |= _using(different, {"audit_log"} if _fewer(connection, report, "audit_log") else set())
    corrected = _using(different, {"register"} if _corrected(connection, report) else set()) - deleted
    return Recomputed(
        same=len(lasting) - len(different),
        different=tuple(_name(each) for each in different if each.indicator not in deleted | corrected),
        deleted=tuple(sorted(deleted)),
        corrected=tuple(sorted(corrected)),
        now=tuple(dict.fromkeys(_name(each) for each in stored if _of_now(each) and each.value is not None)),
    )


def _computed(connection: Connection, report: AssessmentReport, names: Collection[str]) -> list[Figure]:
    options = from_plain(report.options)
    return list(computed(connection, report.window, options, [name for name in INDICATORS if name in names]))


def _using(figures: Iterable[Figure], sources: Collection[str]) -> set[str]:
    """Return the indicators of these figures that read one of the sources."""
    return {each.indicator for each in figures if not set(sources).isdisjoint(INDICATORS[each.indicator].sources)}


def _cases_deleted(connection: Connection, report: AssessmentReport) -> bool:
    """Tell whether cases or clips were deleted after the report."""
    since = (AUDIT.c.action.in_(DELETIONS), AUDIT.c.at >= report.finished_at)
    told = connection.scalar(select(AUDIT.c.seq).where(*since).limit(1)) is not None
    # Old lines of the audit log may be deleted, too. So count the cases.
    return told or _fewer(connection, report, "cases")


def _fewer(connection: Connection, report: AssessmentReport, kind: str) -> bool:
    """Tell whether the store has fewer records of the window than the report names."""
    named = [each.n for item in report.items for each in item.evidence if each.kind == kind and each.n is not None]
    [query] = [source.query(report.window) for source in stored_evidence.SOURCES if source.kind == kind]
    left = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    return bool(named) and left < named[0]


def _corrected(connection: Connection, report: AssessmentReport) -> bool:
    # An entry that was opened after the window changes no figure of it.
    later = (REGISTER.c.changed_at >= report.finished_at, REGISTER.c.opened_at < report.window.until)
    return connection.scalar(select(REGISTER.c.id).where(*later).limit(1)) is not None


def _of_now(figure: Figure) -> bool:
    value = INDICATORS[figure.indicator].values.get(figure.key)
    return value is not None and value.now


def _equal(stored: Figure, again: Figure | None) -> bool:
    return again is not None and _numbers(stored) == _numbers(again)


def _numbers(figure: Figure) -> bytes:
    """Return what must be equal."""
    value = None if figure.value is None else float(figure.value)  # JSON turns a count into a float
    interval = figure.interval and [float(bound) for bound in figure.interval]
    return canonical_json.canonical_bytes([value, figure.n, interval, figure.unmeasured])


def _name(figure: Figure) -> str:
    split = ",".join(f"{name}={value}" for name, value in sorted(figure.split.items()))
    return f"{figure.indicator}.{figure.key}" + (f"[{split}]" if split else "")
