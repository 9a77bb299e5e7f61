"""The queue of escalated cases. Each has a deadline of its own.

It counts from the escalation, or from the moment at which a later decision was taken back.

Their order is that of the queue (`ranking.py`): deadline, with a head start for severe cases. Few cases are escalated
at once, so the order is made here and needs no index. The caller opens the connection. Times are UTC seconds.
"""

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from pipeline.review.cases import queue
from pipeline.review.cases.queue import QueueFilter
from pipeline.review.cases.ranking import HEAD_START
from pipeline.review.cases.values import Case
from pipeline.review.tables.core import CASES, DECISIONS

MOST_ESCALATED = 1_000
"""The most escalated cases that are read."""


class Escalated(Struct, frozen=True):
    """The number of open escalated cases, and of those past their deadline."""

    open: int
    late: int


def list_escalated(
    connection: Connection, wanted: QueueFilter, seconds: float, after: tuple[float, str] | None, limit: int
) -> list[Case]:
    """Return escalated cases with the deadline `seconds` after they were escalated or reopened, most urgent first.

    For the next page, give the `place` of the last case as `after`.
    """
    found = queue.list_queue(connection, msgspec.structs.replace(wanted, view="escalated"), limit=MOST_ESCALATED)
    placed = sorted(_placed(connection, found, seconds), key=lambda case: case.place)
    return [case for case in placed if after is None or case.place > after][:limit]


def count_escalated(connection: Connection, wanted: QueueFilter, seconds: float, at: float) -> Escalated:
    """Count the escalated cases at `at`."""
    found = list_escalated(connection, wanted, seconds, None, MOST_ESCALATED)
    return Escalated(len(found), sum(case.due_at < at for case in found))


def _placed(connection: Connection, cases: list[Case], seconds: float) -> list[Case]:
    query = (
        select(DECISIONS.c.case_id, func.max(func.coalesce(DECISIONS.c.undone, DECISIONS.c.at)).label("at"))
        .where(DECISIONS.c.case_id.in_(select(CASES.c.id).where(CASES.c.status == "escalated")))
        .group_by(DECISIONS.c.case_id)
    )
    due = {row.case_id: row.at + seconds for row in connection.execute(query)}
    return [
        msgspec.structs.replace(case, due_at=due[case.id], urgency=due[case.id] - HEAD_START[case.severity])
        for case in cases
        if case.id in due
    ]
