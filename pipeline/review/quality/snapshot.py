"""Decisions and cases as they stood at the end of a window, so that later decisions never change its figures.

The snapshot has the cases and their upholding decisions in temporary tables. To group the decisions of a million cases
takes seconds, so it is done once for all figures of a window. The rows have no texts, so that a figure reads a tenth of
the bytes that the cases have. Drills are left out.
"""

import math
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    ScalarSelect,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    exists,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from pipeline.review.cases.case_values import REPORTED
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.tables.assessment_tables import ACTIONS
from pipeline.review.tables.case_tables import CHECKS, COPIES, REPORTS
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS, OPEN

MICROSECOND = 1e-6
"""Differences of UTC seconds are exact to less than this."""

WHOLE = 1.5 * 2.0**52
"""Between 2**52 and 2**53, all doubles are whole numbers."""

REAL = CASES.c.drill == ""
"""The case is no drill."""


def in_force(until: float) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for decisions to uphold or dismiss that were made before `until` and not undone by then."""
    kept = or_(DECISIONS.c.undone.is_(None), DECISIONS.c.undone >= until)
    return DECISIONS.c.at < until, kept, DECISIONS.c.verdict.in_(FINAL)


def verdict_at(until: float) -> ScalarSelect[str]:
    """Return the last standing verdict of the row of CASES; NULL if there is none.

    For some cases. For the figures of all cases of a window, `take` is many times as fast.
    """
    return _last(until, DECISIONS.c.verdict)


def label_at(until: float) -> ColumnElement[str]:
    """Return the label of the row of CASES after corrections, for some cases."""
    return func.coalesce(_last(until, DECISIONS.c.label), CASES.c.label)


def _last(until: float, column: ColumnElement[str]) -> ScalarSelect[str]:
    of_case = select(column).where(DECISIONS.c.case_id == CASES.c.id, *in_force(until))
    newest = of_case.order_by(DECISIONS.c.at.desc(), DECISIONS.c.id.desc()).limit(1)
    return newest.correlate(CASES).scalar_subquery()


def verdict_now() -> ColumnElement[str]:
    """Return the last standing verdict of the row of CASES at this moment; NULL if there is none.

    The column has it, except for a case that was escalated after a verdict.
    """
    stored: ColumnElement[str] = CASES.c.verdict
    return case((stored.is_(None) | stored.in_(FINAL), stored), else_=verdict_at(math.inf))


def ceiling(value: ColumnElement[float]) -> ColumnElement[int]:
    """Return a value of at least 0 as a whole number, rounded up.

    A cast cuts on SQLite and rounds on PostgreSQL. The comparison makes both the same.
    """
    exact: Any = value - MICROSECOND
    whole = cast(exact, BigInteger)
    return whole + case((exact > whole, 1), else_=0)


def floor(value: ColumnElement[float]) -> ColumnElement[int]:
    """Return a value of at least 0 as a whole number, rounded down."""
    exact: Any = value + MICROSECOND
    whole = cast(exact, BigInteger)
    return whole - case((exact < whole, 1), else_=0)


def nearest(value: ColumnElement[float]) -> ColumnElement[int]:
    """Return a value as the nearest whole number, and a half as the even one, like Python's `round`.

    The `round` of SQLite rounds a half up. A sum near WHOLE has no room for a fraction, so it is rounded exactly so.
    """
    return cast(value + WHOLE - WHOLE, BigInteger)


TEMPORARY: dict[str, Any] = {"prefixes": ["TEMPORARY"], "postgresql_on_commit": "DROP"}
COPIED = (
    "speaker",
    "label",
    "language",
    "room_type",
    "policy",
    "source",
    "suggestion",
    "severity",
    "end",
    "created_at",
)
"""Columns of CASES that the snapshot has, too."""
OF_CASE = ("kind", "speaker", "label", "language", "room_type", "policy", "source", "verdict", "last_at")
"""Columns of SNAPSHOT that UPHOLDS has, too."""

STANDING = Table(
    # The standing decisions of each case that has some. The key spares SQLite a scan for each case.
    "standing_snapshot",
    MetaData(),
    Column("case_id", String, primary_key=True),
    Column("decisions", Integer, nullable=False),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    # The last verdict, and the label that it gives; NULL: it gives none.
    Column("verdict", String, nullable=False),
    Column("corrected", String),
    # When the first decision to uphold was made; NULL: there is none.
    Column("stopped_at", Double),
    # The number of the ordered actions, and when the app had carried out the first; NULL: it has not confirmed any.
    Column("ordered", Integer, nullable=False),
    Column("done_at", Double),
    sqlite_with_rowid=False,
    **TEMPORARY,
)
OF_STANDING = ("first_at", "last_at", "verdict", "corrected", "stopped_at", "ordered", "done_at")
"""Columns of STANDING that SNAPSHOT has, too. There, NULL is for a case without a standing decision."""

SNAPSHOT = Table(
    # In the order of time, as flags and decisions are, so that a join reads neighbouring rows one after the other.
    "case_snapshot",
    MetaData(),
    # Millions of rows are sorted and joined by it much faster than by the id.
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False),
    # "machine", "audit" or "report"; "copy": a check that copies another case.
    Column("kind", String, nullable=False),
    *(Column(name, CASES.c[name].type, nullable=False) for name in COPIED),
    *(Column(name, STANDING.c[name].type) for name in OF_STANDING),
    Index("ix_case_snapshot_id", "id", unique=True),
    **TEMPORARY,
)

OLDER = Table(
    # Cases that were stored before the snapshot begins, and went on after that.
    "older_snapshot",
    MetaData(),
    Column("id", String, primary_key=True),
    **TEMPORARY,
)

UPHOLDS = Table(
    # The standing decisions to uphold, each with its case. Copies are left out.
    "uphold_snapshot",
    MetaData(),
    Column("decision", String, nullable=False),
    Column("case_id", String, nullable=False),
    Column("at", Double, nullable=False),
    # The label and the action that the decision gives; NULL: it gives none.
    Column("corrected", String),
    Column("action", String),
    *(Column(name, SNAPSHOT.c[name].type) for name in OF_CASE),
    **TEMPORARY,
)

FLAGGED = SNAPSHOT.c.kind == "machine"
UPHELD = SNAPSHOT.c.verdict == "uphold"
NO_COPY = SNAPSHOT.c.kind != "copy"
OF_FLAG = SNAPSHOT.c.id == FLAGS.c.case_id.concat("")
"""The case of a flag, for queries that read most flags. Without the text "", SQLite reads them by index, at random."""
LABEL = func.coalesce(SNAPSHOT.c.corrected, SNAPSHOT.c.label)
"""The label of the case after corrections."""


def take(connection: Connection, until: float, since: float = 0.0) -> None:
    """Fill the tables with the cases as they stood at `until` (UTC seconds). They end with the transaction.

    SNAPSHOT has the cases that were stored since `since`, and the older ones that were open, decided, reported or
    checked after that. UPHOLDS has the decisions since `since`.
    """
    take_cases(connection, until, since)
    _add_older(connection, until, since)
    _fill(connection, UPHOLDS, _upholds(since, until))


def take_cases(connection: Connection, until: float, since: float = 0.0) -> None:
    """Fill SNAPSHOT with the cases that were stored from `since` to `until`, as they stood at `until`.

    The figures of quality need no more.
    """
    # No decision is older than its case, so those before `since` are of older cases.
    _fill(connection, STANDING, _standing(until, DECISIONS.c.at >= since))
    _settle(connection, until)
    _fill(connection, SNAPSHOT, _cases(until, CASES.c.created_at >= since).order_by(CASES.c.created_at))


def _fill(connection: Connection, table: Table, query: Select[Any]) -> None:
    # A temporary table belongs to the connection, and the pool may have used it for another window.
    connection.execute(DropTable(table, if_exists=True))
    connection.execute(CreateTable(table))
    _add(connection, table, query)
    for index in table.indexes:  # to sort the keys of a full table is faster than to find the place of each row's key
        connection.execute(CreateIndex(index))
    if connection.dialect.name == "postgresql":  # it knows no statistics of a temporary table
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def _add(connection: Connection, table: Table, query: Select[Any]) -> None:
    names = [column.name for column in table.columns if column.name != "number"]
    connection.execute(table.insert().from_select(names, query))


def _cases(until: float, kept: ColumnElement[bool]) -> Select[Any]:
    machine = case((CASES.c.suggestion == "pass", "audit"), else_="machine")
    kind = case((CASES.c.id.in_(COPIES), "copy"), (CASES.c.policy == REPORTED, "report"), else_=machine)
    columns = [CASES.c.id, kind, *(CASES.c[name] for name in COPIED)]
    columns += [STANDING.c[name] for name in OF_STANDING]
    query = select(*columns).select_from(CASES.outerjoin(STANDING, STANDING.c.case_id == CASES.c.id))
    return query.where(kept, CASES.c.created_at < until, REAL)


def _standing(until: float, kept: ColumnElement[bool]) -> Select[Any]:
    upheld = DECISIONS.c.verdict == "uphold"
    columns = [
        func.count(),
        func.min(DECISIONS.c.at),
        func.max(DECISIONS.c.at),
        func.max(DECISIONS.c.verdict),  # of one decision; `_settle` corrects the others
        func.max(DECISIONS.c.label),
        func.min(case((upheld, DECISIONS.c.at))),
        func.count(case((upheld, DECISIONS.c.action))),
        func.min(ACTIONS.c.at),
    ]
    # Only where there may be one: to look for the action of each decision takes seconds.
    ordered = (upheld, DECISIONS.c.action.is_not(None), ACTIONS.c.decision == DECISIONS.c.id)
    done = and_(*ordered, ACTIONS.c.result == "done", ACTIONS.c.received_at < until)
    query = select(DECISIONS.c.case_id, *columns).select_from(DECISIONS.outerjoin(ACTIONS, done))
    return query.where(kept, *in_force(until)).group_by(DECISIONS.c.case_id).order_by(DECISIONS.c.case_id)


def _settle(connection: Connection, until: float) -> None:
    """Write the newest verdict and its label for the cases with several decisions."""
    newest = (DECISIONS.c.case_id == STANDING.c.case_id, DECISIONS.c.at == STANDING.c.last_at, *in_force(until))
    of_case = select(DECISIONS.c.verdict).where(*newest).order_by(DECISIONS.c.id.desc()).limit(1)
    found = {"verdict": DECISIONS.c.verdict, "corrected": DECISIONS.c.label}
    values = {name: of_case.with_only_columns(column).scalar_subquery() for name, column in found.items()}
    connection.execute(STANDING.update().values(values).where(STANDING.c.decisions > 1))


def _add_older(connection: Connection, until: float, since: float) -> None:
    """Add the cases that were stored before `since` and went on after it, with all their decisions."""
    _fill(connection, OLDER, _older(until, since))
    older = select(OLDER.c.id)
    connection.execute(STANDING.delete().where(STANDING.c.case_id.in_(older)))
    _add(connection, STANDING, _standing(until, DECISIONS.c.case_id.in_(older)))
    _settle(connection, until)
    _add(connection, SNAPSHOT, _cases(until, CASES.c.id.in_(older)))


def _older(until: float, since: float) -> Select[Any]:
    # A case of the snapshot is not older, so that most decisions need not be compared with their case.
    inside = exists().where(SNAPSHOT.c.id == STANDING.c.case_id)
    went_on = union(
        select(CASES.c.id).where(OPEN),
        select(STANDING.c.case_id).where(~inside),
        select(DECISIONS.c.case_id).where(DECISIONS.c.at >= until),
        select(REPORTS.c.case_id).where(REPORTS.c.created_at >= since),
        select(CHECKS.c.original).where(CHECKS.c.drawn_at >= since),
    )
    return select(CASES.c.id).where(CASES.c.id.in_(went_on), CASES.c.created_at < since)


def _upholds(since: float, until: float) -> Select[Any]:
    own = [DECISIONS.c[name] for name in ("id", "case_id", "at", "label", "action")]
    query = select(*own, *(SNAPSHOT.c[name] for name in OF_CASE)).select_from(DECISIONS)
    query = query.join(SNAPSHOT, SNAPSHOT.c.id == DECISIONS.c.case_id)
    return query.where(DECISIONS.c.at >= since, DECISIONS.c.verdict == "uphold", *in_force(until), NO_COPY)
