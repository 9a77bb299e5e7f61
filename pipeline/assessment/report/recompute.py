"""Compute the figures of a report again, and compare them with the figures in it.

The figures rest on the tallies that the report froze, and on the records in the store, which `frozen_records.compare`
compares one by one. Decisions, appeals, speech and settings that came later change no figure of a past window. What can
change is told: some values describe the store as it was, retention deletes cases, late speech joins open cases, and
people correct entries of the register.
"""

import tempfile
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, func, select

from pipeline.assessment import catalogue
from pipeline.assessment.catalogue import INDICATORS
from pipeline.assessment.measure import OF_CASES, computed, figure_key
from pipeline.assessment.options import from_plain
from pipeline.assessment.report import data_files, frozen_records
from pipeline.assessment.report.content import AssessmentReport, Definition
from pipeline.assessment.report.data_files import TABLES
from pipeline.assessment.report.frozen_records import Compared, Frozen, LateTables
from pipeline.assessment.report.stored_evidence import SOURCES
from pipeline.base import canonical_json
from pipeline.review.database import Database
from pipeline.review.quality.figure import Figure

OF_TABLES: frozenset[catalogue.Source] = frozenset({"tallies", "ledger", "settings"})
"""Sources that the tables of a bundle have completely."""


class Recomputed(Struct, frozen=True, kw_only=True):
    """The result of a comparison. `different` and `now` name figures such as `I-06.p95`, the others name indicators."""

    same: int
    """The number of figures that are the same."""
    different: tuple[str, ...] = ()
    """Figures that differ although their sources are there."""
    changed: tuple[str, ...] = ()
    """Indicators that differ, and whose records were deleted or went on for a reason that the store shows."""
    now: tuple[str, ...] = ()
    """Figures that describe the store at the time of the report."""


def from_store(
    connection: Connection, report: AssessmentReport, frozen: Frozen, compared: Compared, late: LateTables
) -> Recomputed:
    """Compare all figures of a final report. `compared` and `late` tell how the store differs from `frozen`."""
    changed: set[catalogue.Source] = set()
    if compared.explained.keys() - {"corrected"}:
        changed |= OF_CASES
    if "corrected" in compared.explained or "register" in compared.later:
        changed.add("register")
    if _fewer_lines(connection, report):
        changed |= {"audit_log", "duty"}  # retention deletes both together
    with frozen_records.standing(connection, report, frozen) if late.changed else nullcontext():
        return _compared(connection, report, INDICATORS, changed)


def from_tables(report: AssessmentReport, tables: Mapping[str, bytes]) -> Recomputed:
    """Compare the figures that need only the tables of a bundle, by file, in a database of their own."""
    chosen = [each.id for each in INDICATORS.values() if OF_TABLES.issuperset(each.sources)]
    with tempfile.TemporaryDirectory(prefix="voxwarden-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'tables.db'}")
        try:
            # The same code as for a live store computes the figures, so load the tables into a store of their own.
            with database.write() as connection:
                for name, table in TABLES.items():
                    data_files.load(connection, tables[name], table)
            with database.read() as connection:
                return _compared(connection, report, chosen, frozenset())
        finally:
            database.close()


def _compared(
    connection: Connection,
    report: AssessmentReport,
    indicators: Collection[str],
    sources: Collection[catalogue.Source],
) -> Recomputed:
    """Compare the figures that both have: a report leaves out the split by the only policy or model.

    `sources` changed since, for a reason that the store shows.
    """
    # An older report has fewer indicators, and some that were computed in another way.
    current = {each.id for each in report.definitions if _same_way(each)}
    known = current & set(indicators)
    found = {figure_key(figure): figure for figure in _computed(connection, report, known)}
    stored = [each for each in (*report.figures, *report.drill_figures) if each.indicator in known]
    lasting = [each for each in stored if not _of_now(each)]
    different = [each for each in lasting if not _equal(each, found.get(figure_key(each)))]
    changed = {each.indicator for each in different if not set(sources).isdisjoint(INDICATORS[each.indicator].sources)}
    return Recomputed(
        same=len(lasting) - len(different),
        different=tuple(_name(each) for each in different if each.indicator not in changed),
        changed=tuple(sorted(changed)),
        now=tuple(dict.fromkeys(_name(each) for each in stored if _of_now(each) and each.value is not None)),
    )


def _computed(connection: Connection, report: AssessmentReport, names: Collection[str]) -> list[Figure]:
    options = from_plain(report.options)
    return list(computed(connection, report.window, options, [name for name in INDICATORS if name in names]))


def _same_way(told: Definition) -> bool:
    """Tell whether an indicator of a report is computed as it was for the report."""
    return told.id in INDICATORS and told.compute == INDICATORS[told.id].compute


def _fewer_lines(connection: Connection, report: AssessmentReport) -> bool:
    """Tell whether retention has deleted lines of the audit log of the window."""
    named = [each.n for item in report.items for each in item.evidence if each.kind == "audit_log"]
    [query] = [source.query(report.window) for source in SOURCES if source.kind == "audit_log"]
    left = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    return any(n is not None and left < n for n in named)


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
