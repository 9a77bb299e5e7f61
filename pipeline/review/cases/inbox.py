"""The inbox of a person: what waits for them, and what is new since their page last asked.

The caller opens the connection. Times are UTC seconds.
"""

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Select, exists, func, select

from pipeline.review.accounts.wellness import SEVERE
from pipeline.review.appeals import appeals
from pipeline.review.cases import case_queue
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.tables.case_tables import APPEALS, CHECKS
from pipeline.review.tables.core import CASES, DECISIONS, OPEN
from pipeline.review.tables.people_tables import ASSIGNMENTS, MENTIONS, UNREAD

COUNTED = 100
"""The most items of a kind that are counted."""
NEAR_SECONDS = 300.0
"""A deadline is near when less than this is left."""


class WaitingWork(Struct, frozen=True):
    """The numbers of things that wait for a person, each at most COUNTED."""

    mentions: int
    assigned: int
    escalated: int
    appeals: int
    disputes: int

    @property
    def total(self) -> int:
        return self.mentions + self.assigned + self.escalated + self.appeals + self.disputes


class News(Struct, frozen=True):
    """The numbers of new things for a person. `near` counts the deadlines of cases that they should decide."""

    severe: int = 0
    near: int = 0
    mentions: int = 0
    assigned: int = 0


def due(connection: Connection, account: str, wanted: QueueFilter, decides: bool, leads: bool) -> WaitingWork:
    """Count what waits for `account`. `wanted` is the queue as this person gets it.

    Only mentions wait for a person who does not decide, and disputes only for one who leads.
    """
    mentions = _count(connection, _mentions(account))
    if not decides:
        return WaitingWork(mentions, 0, 0, 0, 0)
    return WaitingWork(
        mentions=mentions,
        assigned=case_queue.count_queue(connection, replace(wanted, view="mine"), COUNTED),
        escalated=case_queue.count_queue(connection, replace(wanted, view="escalated"), COUNTED),
        appeals=_count(connection, _appeals(account)),
        disputes=_count(connection, _disputes(wanted)) if leads else 0,
    )


def news(
    connection: Connection, account: str, wanted: QueueFilter, since: float, at: float, escalated_seconds: float
) -> News:
    """Count what came after `since`, until `at`, for `account`. `wanted` is the queue as this person gets it."""
    given = select(ASSIGNMENTS.c.case_id).where(ASSIGNMENTS.c.account == account, ASSIGNMENTS.c.at > since)
    theirs = case_queue.list_queue(connection, replace(wanted, view="mine"), limit=COUNTED)
    theirs += case_queue.list_escalated(connection, wanted, escalated_seconds, None, COUNTED)
    return News(
        severe=case_queue.arrived(connection, wanted, since, SEVERE, COUNTED),
        near=sum(since < case.due_at - NEAR_SECONDS <= at for case in theirs),
        mentions=_count(connection, _mentions(account).where(MENTIONS.c.at > since)),
        assigned=_count(connection, given.join(CASES, CASES.c.id == ASSIGNMENTS.c.case_id).where(OPEN)),
    )


def _mentions(account: str) -> Select[tuple[str]]:
    return select(MENTIONS.c.note).where(MENTIONS.c.account == account, UNREAD)


def _appeals(account: str) -> Select[tuple[str]]:
    """Select the cases with an open appeal that `account` did not decide."""
    decided = exists().where(DECISIONS.c.case_id == APPEALS.c.case_id, DECISIONS.c.moderator == account)
    return appeals.open_cases().where(~decided.correlate(APPEALS))


def _disputes(wanted: QueueFilter) -> Select[tuple[str]]:
    """Select the open cases on which two people differ, without those that the person may not decide."""
    query = select(CHECKS.c.case_id).join(CASES, CASES.c.id == CHECKS.c.case_id)
    return query.where(CHECKS.c.kind == "third", OPEN, CASES.c.id.not_in(wanted.without.cases))


def _count(connection: Connection, query: Select[tuple[str]]) -> int:
    found = query.limit(COUNTED).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())
