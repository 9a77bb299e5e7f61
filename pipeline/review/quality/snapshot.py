"""Decisions and cases as they stood at the end of a window, so that later decisions never change its figures.

The snapshot has the cases and their upholding decisions in temporary tables. To rank the decisions of a million cases
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
    Integer,
    MetaData,
    ScalarSelect,
    Select,
    String,
    Table,
    and_,
    case,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from pipeline.review.cases.case_values import REPORTED
from pipeline.review.quality.quality_checks import FINAL
from pipeline.review.tables.assessment_tables import ACTIONS
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS

MICROSECOND = 1e-6
"""Differences of UTC seconds are exact to less than this."""

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
    of_case = select(DECISIONS.c.verdict).where(DECISIONS.c.case_id == CASES.c.id, *in_force(until))
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
    """Return a value of at least 0 as the nearest whole number, and a half as the even one, like Python's `round`.

    The `round` of PostgreSQL does so, too. SQLite's rounds a half up.
    """
    whole: Any = cast(value, BigInteger)
    below: ColumnElement[int] = whole - case((whole > value, 1), else_=0)
    rest: Any = value - below
    return below + case((rest > 0.5, 1), (rest == 0.5, below % 2), else_=0)


SORT_MEMORY = "64MB"
"""What PostgreSQL may use for each sort of the figures. With its default, 4 MB, it sorts a million cases on disk."""
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
OF_CASE = ("kind", *COPIED, "verdict", "last_at")
"""Columns of SNAPSHOT that UPHOLDS has, too."""

STANDING = Table(
    # The first and the last standing decision of each case that has one. The key spares SQLite a scan for each case.
    "standing_snapshot",
    MetaData(),
    Column("case_id", String, primary_key=True),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("verdict", String, nullable=False),
    # The label that the last decision gives; NULL: it gives none.
    Column("corrected", String),
    sqlite_with_rowid=False,
    **TEMPORARY,
)
OF_STANDING = ("first_at", "last_at", "verdict", "corrected")
"""Columns of STANDING that SNAPSHOT has, too. There, NULL is for a case without a standing decision."""

SNAPSHOT = Table(
    "case_snapshot",
    MetaData(),
    Column("id", String, primary_key=True),
    # "machine", "audit" or "report"; "copy": a check that copies another case.
    Column("kind", String, nullable=False),
    *(Column(name, CASES.c[name].type, nullable=False) for name in COPIED),
    *(Column(name, STANDING.c[name].type) for name in OF_STANDING),
    sqlite_with_rowid=False,
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
    # When the app had carried out the action; NULL: it has not confirmed it.
    Column("done_at", Double),
    *(Column(name, SNAPSHOT.c[name].type) for name in OF_CASE),
    **TEMPORARY,
)

STOPS = Table(
    # Each case with a standing decision to uphold: when the first one was made.
    "stop_snapshot",
    MetaData(),
    Column("case_id", String, primary_key=True),
    Column("at", Double, nullable=False),
    # The number of its actions, and when the app had carried out the first; NULL: it has not confirmed any.
    Column("ordered", Integer, nullable=False),
    Column("done_at", Double),
    sqlite_with_rowid=False,
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
    """Fill the tables with the cases that were stored from `since` to `until` (UTC seconds), as they stood at `until`.

    They end with the transaction, or with the next snapshot.
    """
    take_cases(connection, until, since)
    _fill(connection, UPHOLDS, _upholds(since, until))
    _fill(connection, STOPS, _stops())


def take_cases(connection: Connection, until: float, since: float = 0.0) -> None:
    """Fill SNAPSHOT alone, as `take` does. Precision and recall need no more."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
    _fill(connection, STANDING, _standing(since, until))
    _fill(connection, SNAPSHOT, _cases(since, until))


def _fill(connection: Connection, table: Table, query: Select[Any]) -> None:
    # A temporary table belongs to the connection, and the pool may have used it for another window.
    connection.execute(DropTable(table, if_exists=True))
    connection.execute(CreateTable(table))
    connection.execute(table.insert().from_select([column.name for column in table.columns], query))
    if connection.dialect.name == "postgresql":  # it knows no statistics of a temporary table
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def _cases(since: float, until: float) -> Select[Any]:
    machine = case((CASES.c.suggestion == "pass", "audit"), else_="machine")
    kind = case((CASES.c.id.in_(COPIES), "copy"), (CASES.c.policy == REPORTED, "report"), else_=machine)
    columns = [CASES.c.id, kind, *(CASES.c[name] for name in COPIED)]
    columns += [STANDING.c[name] for name in OF_STANDING]
    query = select(*columns).select_from(CASES.outerjoin(STANDING, STANDING.c.case_id == CASES.c.id))
    # In the order of the key, so that SQLite only appends to the table.
    return query.where(CASES.c.created_at >= since, CASES.c.created_at < until, REAL).order_by(CASES.c.id)


def _standing(since: float, until: float) -> Select[Any]:
    newest_first = (DECISIONS.c.at.desc(), DECISIONS.c.id.desc())
    place = func.row_number().over(partition_by=DECISIONS.c.case_id, order_by=newest_first)
    first = func.min(DECISIONS.c.at).over(partition_by=DECISIONS.c.case_id)
    last = (DECISIONS.c.at.label("last_at"), DECISIONS.c.verdict, DECISIONS.c.label)
    query = select(DECISIONS.c.case_id, first.label("first_at"), *last, place.label("place"))
    # No decision is older than its case, so those before `since` need not be ranked.
    ranked = query.where(DECISIONS.c.at >= since, *in_force(until)).subquery()
    newest = [ranked.c[name] for name in ("case_id", "first_at", "last_at", "verdict", "label")]
    return select(*newest).where(ranked.c.place == 1).order_by(ranked.c.case_id)


def _upholds(since: float, until: float) -> Select[Any]:
    done = and_(ACTIONS.c.decision == DECISIONS.c.id, ACTIONS.c.result == "done", ACTIONS.c.received_at < until)
    own = [DECISIONS.c[name] for name in ("id", "case_id", "at", "label", "action")]
    query = select(*own, ACTIONS.c.at, *(SNAPSHOT.c[name] for name in OF_CASE)).select_from(DECISIONS)
    query = query.join(SNAPSHOT, SNAPSHOT.c.id == DECISIONS.c.case_id).outerjoin(ACTIONS, done)
    return query.where(DECISIONS.c.at >= since, DECISIONS.c.verdict == "uphold", *in_force(until), NO_COPY)


def _stops() -> Select[Any]:
    first, done = func.min(UPHOLDS.c.at), func.min(UPHOLDS.c.done_at)
    query = select(UPHOLDS.c.case_id, first, func.count(UPHOLDS.c.action), done)
    return query.group_by(UPHOLDS.c.case_id).order_by(UPHOLDS.c.case_id)
