"""Compares the decisions in the store with the lines about them in the audit log, which is chained.

So a decision that was changed in the store is found, also if that happened before the report was final.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from pipeline.review.tables.core import AUDIT, DECISIONS

MADE = ("case.decide", "case.correct", "appeal.settle")
TAKEN_BACK = ("case.undo", "case.reopen")
PAGE = 10_000
"""Lines or decisions that are read at a time."""


class _Line(Struct):
    """The fields about a decision in the detail of a line."""

    decision: str = ""
    decisions: tuple[str, ...] = ()
    verdict: str = ""
    label: str | None = None
    reason: str = ""
    action: str | None = None


class LoggedDecisions(Struct, frozen=True, kw_only=True):
    """The result. `different` has the ids of decisions of which the log tells something else, or nothing."""

    same: int
    different: tuple[str, ...]
    unlogged: int
    """Decisions that are older than the oldest line of the log."""


def compare(connection: Connection, until: float) -> LoggedDecisions:
    """Compare all decisions that were made before `until` (UTC seconds)."""
    oldest = connection.scalar(select(AUDIT.c.at).order_by(AUDIT.c.seq).limit(1))
    told, undone = _told(connection)
    same, unlogged, different = 0, 0, []
    for row in _decisions(connection, until):
        if told.get(row.id) == _digest(row.moderator, row.at, row.verdict, row.label, row.reason, row.action) and (
            undone.get(row.id) == row.undone
        ):
            same += 1
        elif oldest is None or (row.at < oldest and row.id not in told):
            unlogged += 1
        else:
            different.append(row.id)
    return LoggedDecisions(same=same, different=tuple(different), unlogged=unlogged)


def _told(connection: Connection) -> tuple[dict[str, int], dict[str, float]]:
    """Return the digest of each decision in the log, and the times at which decisions were undone."""
    told: dict[str, int] = {}
    undone: dict[str, float] = {}
    query = select(AUDIT.c.at, AUDIT.c.actor, AUDIT.c.action, AUDIT.c.detail).order_by(AUDIT.c.seq)
    rows = connection.execute(
        query.where(AUDIT.c.action.in_((*MADE, *TAKEN_BACK))), execution_options={"yield_per": PAGE}
    )
    for row in rows:
        try:
            line = msgspec.json.decode(row.detail, type=_Line)
        except msgspec.DecodeError:  # somebody changed the line, which the chain shows
            continue
        if row.action in MADE:
            told[line.decision] = _digest(row.actor, row.at, line.verdict, line.label, line.reason, line.action)
        else:
            undone |= dict.fromkeys(line.decisions or (line.decision,), row.at)
    return told, undone


def _digest(*told: object) -> int:
    return hash(told)


def _decisions(connection: Connection, until: float) -> Iterator[Any]:
    query = select(DECISIONS).where(DECISIONS.c.at < until)
    yield from connection.execute(query, execution_options={"yield_per": PAGE})
