"""The cases as they stood at the end of a window: a temporary table that many figures of the window read.

To rank the decisions of a million cases takes seconds, so it is done once for all figures. The rows have no texts, so
that a figure reads a tenth of the bytes that the cases have. Drills are left out.
"""

from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Double,
    MetaData,
    Select,
    String,
    Subquery,
    Table,
    case,
    func,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from pipeline.assessment.decided import REAL, standing
from pipeline.review.cases.values import REPORTED
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.review.tables.quality import COPIES

COPIED = ("speaker", "label", "language", "room_type", "policy", "suggestion", "severity", "end", "created_at")
"""Columns of CASES that the snapshot has, too."""

SNAPSHOT = Table(
    "case_snapshot",
    MetaData(),
    Column("id", String, primary_key=True),
    # "flagged", "audit" or "report"; "copy": a check that copies another case.
    Column("kind", String, nullable=False),
    *(Column(name, CASES.c[name].type, nullable=False) for name in COPIED),
    # The first and the last standing decision (`pipeline/assessment/decided.py`). NULL: there is none.
    Column("first_at", Double),
    Column("last_at", Double),
    Column("verdict", String),
    # The label that the last decision gives; NULL: it gives none.
    Column("corrected", String),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
    postgresql_on_commit="DROP",
)

FLAGGED = SNAPSHOT.c.kind == "flagged"
UPHELD = SNAPSHOT.c.verdict == "uphold"
NO_COPY = SNAPSHOT.c.kind != "copy"
LABEL = func.coalesce(SNAPSHOT.c.corrected, SNAPSHOT.c.label)
"""The label of the case after corrections."""


def take(connection: Connection, until: float, since: float = 0.0) -> None:
    """Fill SNAPSHOT with the cases that were stored from `since` to `until` (UTC seconds), as they stood at `until`.

    It ends with the transaction, or with the next snapshot.
    """
    connection.execute(DropTable(SNAPSHOT, if_exists=True))
    connection.execute(CreateTable(SNAPSHOT))
    connection.execute(
        SNAPSHOT.insert().from_select([column.name for column in SNAPSHOT.columns], _cases(since, until))
    )
    if connection.dialect.name == "postgresql":  # it knows no statistics of a temporary table
        connection.exec_driver_sql(f"ANALYZE {SNAPSHOT.name}")


def _cases(since: float, until: float) -> Select[Any]:
    decided = _decided(since, until)
    kinds = {
        "copy": CASES.c.id.in_(COPIES),
        "report": CASES.c.policy == REPORTED,
        "audit": CASES.c.suggestion == "pass",
    }
    kind = case(*((condition, name) for name, condition in kinds.items()), else_="flagged")
    columns = [CASES.c.id, kind, *(CASES.c[name] for name in COPIED)]
    columns += [decided.c[name] for name in ("first_at", "last_at", "verdict", "label")]
    query = select(*columns).select_from(CASES.outerjoin(decided, decided.c.case_id == CASES.c.id))
    return query.where(CASES.c.created_at >= since, CASES.c.created_at < until, REAL).order_by(CASES.c.id)


def _decided(since: float, until: float) -> Subquery:
    """Return the first and the last standing decision of each case that was stored since `since` and has one."""
    newest_first = (DECISIONS.c.at.desc(), DECISIONS.c.id.desc())
    place = func.row_number().over(partition_by=DECISIONS.c.case_id, order_by=newest_first)
    first = func.min(DECISIONS.c.at).over(partition_by=DECISIONS.c.case_id)
    columns = (DECISIONS.c.case_id, DECISIONS.c.verdict, DECISIONS.c.label, DECISIONS.c.at.label("last_at"))
    ranked = (
        select(*columns, first.label("first_at"), place.label("place"))
        .where(DECISIONS.c.at >= since, *standing(until))
        .subquery()
    )
    return select(ranked).where(ranked.c.place == 1).subquery()
