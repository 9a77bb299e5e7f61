"""Disputes between a decision and a blind second opinion, which a third person settles, and the feedback to all.

A dispute is a check of the kind `third`. Its opinions stay hidden until the third one is in, so that nobody decides by
another person's opinion. Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from pipeline.contract.messages import Decision
from pipeline.review.cases import reading
from pipeline.review.cases.values import Case
from pipeline.review.quality.checks import FINAL
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.review.tables.quality import CHECKS, GOLDEN

OTHERS = CHECKS.alias()
MOST = 100
"""The most disputes in a list."""


class Dispute(Struct, frozen=True):
    """Two different opinions on a case, and the third one.

    `case` is the copy that the third person gets. `opinions` has the first, the second and the third decision; it is
    empty until the third one is in.
    """

    original: str
    case: Case
    drawn_at: float
    opinions: tuple[Decision, ...]

    @property
    def verdict(self) -> str:
        """The verdict of two of the three; empty until the third opinion is in."""
        return self.opinions[-1].verdict if self.opinions else ""


class CheckFeedback(Struct, frozen=True):
    """Feedback about one decision of a person: a check gave another verdict. `at` is when the person decided."""

    case: str
    label: str
    given: str
    right: str
    by: Literal["golden", "third"]
    at: float
    reason: str = ""
    note: str = ""
    """The words of the third person, whose name stays out."""


def disputes(connection: Connection, since: float, *, settled: bool, account: str = "") -> list[Dispute]:
    """Return the disputes drawn at or after `since`, newest first: those that are settled, or those that wait.

    With `account`, return only those in which this person gave the first or the second opinion.
    """
    query = (
        select(CASES, CHECKS.c.original, CHECKS.c.drawn_at)
        .join(CHECKS, CHECKS.c.case_id == CASES.c.id)
        .where(CHECKS.c.kind == "third", CHECKS.c.drawn_at >= since, CHECKS.c.done.is_(settled))
        .order_by(CHECKS.c.drawn_at.desc(), CASES.c.id)
        .limit(MOST)
    )
    if account:
        mine = select(DECISIONS.c.case_id).where(DECISIONS.c.moderator == account)
        seconds = select(OTHERS.c.original).where(OTHERS.c.kind == "second", OTHERS.c.case_id.in_(mine))
        query = query.where(or_(CHECKS.c.original.in_(mine), CHECKS.c.original.in_(seconds)))
    return [_dispute(connection, row, settled) for row in connection.execute(query).all()]


def feedback(connection: Connection, account: str, since: float) -> list[CheckFeedback]:
    """Return where checks since `since` gave another verdict than `account`, newest decision first."""
    remarks = _golden(connection, account, since)
    for one in disputes(connection, since, settled=True, account=account):
        remarks += [_remark(one, opinion) for opinion in one.opinions[:-1] if _differs(one, opinion, account)]
    return sorted(remarks, key=lambda remark: -remark.at)


def count_checked(connection: Connection, account: str, since: float) -> int:
    """Count the person's decisions since `since` that were checked: by a second opinion, or on a golden case.

    A dispute counts when it is settled, so that nobody learns of it earlier.
    """
    mine = (DECISIONS.c.moderator == account, DECISIONS.c.undone.is_(None), DECISIONS.c.at >= since)
    settled = select(OTHERS.c.original).where(OTHERS.c.kind == "third", OTHERS.c.done.is_(True))
    opinion = select(CASES.c.verdict).where(CASES.c.id == CHECKS.c.case_id).scalar_subquery()
    over = or_(opinion == DECISIONS.c.verdict, DECISIONS.c.case_id.in_(settled))
    seconds = (CHECKS.c.kind == "second", CHECKS.c.done.is_(True), CHECKS.c.original == DECISIONS.c.case_id, over)
    golden: tuple[ColumnElement[bool], ...] = (CHECKS.c.kind == "golden", CHECKS.c.case_id == DECISIONS.c.case_id)
    counts = [
        select(func.count(DECISIONS.c.id.distinct())).where(*mine, *which, DECISIONS.c.verdict.in_(FINAL))
        for which in (seconds, golden)
    ]
    return sum(int(connection.execute(count).scalar_one()) for count in counts)


def _dispute(connection: Connection, row: Row[Any], settled: bool) -> Dispute:
    opinions = _opinions(connection, row.original, row.id) if settled else ()
    return Dispute(row.original, reading.case_of(row), row.drawn_at, opinions)


def _opinions(connection: Connection, original: str, third: str) -> tuple[Decision, ...]:
    """Return the first, the second and the third decision; nothing if retention has deleted one."""
    second = select(CHECKS.c.case_id).where(CHECKS.c.original == original, CHECKS.c.kind == "second")
    seconds = [one for case in connection.scalars(second).all() for one in _final(connection, case)]
    firsts, thirds = _final(connection, original), _final(connection, third)
    return (firsts[0], seconds[-1], thirds[-1]) if firsts and seconds and thirds else ()


def _final(connection: Connection, case: str) -> Sequence[Decision]:
    return [one for one in reading.decisions(connection, case) if one.undone is None and one.verdict in FINAL]


def _differs(dispute: Dispute, opinion: Decision, account: str) -> bool:
    return opinion.moderator == account and opinion.verdict != dispute.verdict


def _remark(dispute: Dispute, opinion: Decision) -> CheckFeedback:
    third = dispute.opinions[-1]
    return CheckFeedback(
        dispute.original,
        dispute.case.label,
        opinion.verdict,
        third.verdict,
        "third",
        opinion.at,
        third.reason,
        third.note,
    )


def _golden(connection: Connection, account: str, since: float) -> list[CheckFeedback]:
    query = (
        select(CHECKS.c.original, CASES.c.label, DECISIONS.c.verdict, GOLDEN.c.verdict.label("right"), DECISIONS.c.at)
        .join(CHECKS, CHECKS.c.case_id == DECISIONS.c.case_id)
        .join(CASES, CASES.c.id == DECISIONS.c.case_id)
        .join(GOLDEN, GOLDEN.c.case_id == CHECKS.c.original)
        .where(DECISIONS.c.moderator == account, DECISIONS.c.undone.is_(None), DECISIONS.c.at >= since)
        .where(CHECKS.c.kind == "golden", DECISIONS.c.verdict.in_(FINAL), DECISIONS.c.verdict != GOLDEN.c.verdict)
    )
    rows = connection.execute(query)
    return [CheckFeedback(row.original, row.label, row.verdict, row.right, "golden", row.at) for row in rows]
