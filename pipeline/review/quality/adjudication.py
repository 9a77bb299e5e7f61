"""Disputes that a third person settles, the feedback to all, and golden cases.

A dispute is a decision and a blind second opinion that differ. It is a check of the kind `third`. Its opinions stay
hidden until the third one is in, so that nobody decides by another person's opinion. Golden cases come with the answers
to each, and with proposals for new ones.

Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from pipeline.contract.messages import Decision
from pipeline.review.cases import reading
from pipeline.review.cases.case_values import REPORTED, Case
from pipeline.review.quality import agreement_figures, quality_checks
from pipeline.review.quality.agreement_figures import Answer
from pipeline.review.quality.quality_checks import FINAL, FORGET_SECONDS, SECONDS
from pipeline.review.tables.case_tables import CHECKS, GOLDEN
from pipeline.review.tables.core import CASES, DECISIONS

OTHERS = CHECKS.alias()
MOST = 100
"""The most disputes in a list."""
MOST_GOLDEN = 200
PROPOSED = 20
"""The most proposals."""
ANSWERS = 5_000
PAIRS = 1_000
RECENT_SECONDS = 30 * 86_400.0


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
    """Return the disputes drawn at or after `since`, newest first: only settled ones, or only waiting ones.

    With `account`, this person gave the first or the second opinion.
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
        seconds = select(OTHERS.c.original).where(OTHERS.c.kind.in_(SECONDS), OTHERS.c.case_id.in_(mine))
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
    again = (CHECKS.c.kind.in_(SECONDS), CHECKS.c.original == DECISIONS.c.case_id)
    seconds = (*again, CHECKS.c.done.is_(True), over)
    golden: tuple[ColumnElement[bool], ...] = (CHECKS.c.kind == "golden", CHECKS.c.case_id == DECISIONS.c.case_id)
    counts = [
        select(func.count(DECISIONS.c.id.distinct())).where(*mine, *which, DECISIONS.c.verdict.in_(FINAL))
        for which in (seconds, golden)
    ]
    return sum(int(connection.execute(count).scalar_one()) for count in counts)


def _dispute(connection: Connection, row: Row[Any], settled: bool) -> Dispute:
    # Hidden while the third person still decides.
    opinions = _opinions(connection, row.original, row.id) if settled else ()
    return Dispute(row.original, reading.case_of(row), row.drawn_at, opinions)


def _opinions(connection: Connection, original: str, third: str) -> tuple[Decision, ...]:
    """Return the first, the second and the third decision; nothing if retention has deleted one."""
    second = select(CHECKS.c.case_id).where(CHECKS.c.original == original, CHECKS.c.kind.in_(SECONDS))
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


class GoldenCase(Struct, frozen=True):
    """A golden case.

    `right` and `wrong` name who answered so lately (90 days, and the newest ANSWERS answers), in order of names: no
    ranking.
    """

    case: Case
    verdict: str
    marked_by: str
    marked_at: float
    right: tuple[str, ...]
    wrong: tuple[str, ...]


class GoldenProposal(Struct, frozen=True):
    """A case on which people agreed without seeing each other's opinions."""

    case: Case
    verdict: str
    people: tuple[str, ...]


def golden_cases(connection: Connection, at: float) -> list[GoldenCase]:
    """Return the golden cases, newest first, with at most ANSWERS answers."""
    answers = agreement_figures.answers(connection, _since(connection, "golden", ANSWERS, at - FORGET_SECONDS))
    query: Select[Any] = select(
        CASES, GOLDEN.c.verdict.label("right"), GOLDEN.c.account, GOLDEN.c.at.label("marked_at")
    )
    query = (
        query.join(GOLDEN, GOLDEN.c.case_id == CASES.c.id).order_by(GOLDEN.c.at.desc(), CASES.c.id).limit(MOST_GOLDEN)
    )
    return [
        GoldenCase(
            reading.case_of(row),
            row.right,
            row.account,
            row.marked_at,
            _names(answers, row.id, correct=True),
            _names(answers, row.id, correct=False),
        )
        for row in connection.execute(query)
    ]


def golden_proposals(connection: Connection, at: float) -> list[GoldenProposal]:
    """Return cases with an agreed verdict that could become golden. Cases with three opinions come first.

    They are among the newest PAIRS pairs of opinions.
    """
    since = _since(connection, "second", PAIRS, at - RECENT_SECONDS)
    pairs = [pair for pair in agreement_figures.pairs(connection, since) if pair.settled]
    # A stable sort: within each part, the newest stays first.
    pairs.sort(key=lambda pair: pair.third is None)
    known = select(GOLDEN.c.case_id)
    allowed = (CASES.c.status == "decided", CASES.c.policy != REPORTED, CASES.c.id.not_in(known))
    copies = select(CHECKS.c.case_id)
    # More than are proposed, because some are golden already or not allowed.
    query = select(CASES).where(CASES.c.id.in_({pair.original for pair in pairs[: 5 * PROPOSED]}), *allowed)
    cases = {row.id: reading.case_of(row) for row in connection.execute(query.where(CASES.c.id.not_in(copies)))}
    found = [
        GoldenProposal(cases[pair.original], str(pair.settled), _agreed(pair))
        for pair in pairs
        if pair.original in cases
    ]
    return found[:PROPOSED]


def _since(connection: Connection, kind: quality_checks.Kind, most: int, oldest: float) -> float:
    """Return the time from which on at most `most` checks of a kind were drawn, at earliest `oldest`."""
    drawn = select(CHECKS.c.drawn_at).where(CHECKS.c.kind == kind, CHECKS.c.drawn_at >= oldest)
    first = connection.scalar(drawn.order_by(CHECKS.c.drawn_at.desc()).offset(most).limit(1))
    # Just after the first one that is too many.
    return oldest if first is None else math.nextafter(first, math.inf)


def _agreed(pair: agreement_figures.Pair) -> tuple[str, ...]:
    opinions = [one for one in (pair.first, pair.second, pair.third) if one and one.verdict == pair.settled]
    return tuple(sorted({one.moderator for one in opinions}))


def _names(answers: Sequence[Answer], case: str, *, correct: bool) -> tuple[str, ...]:
    theirs = [one for one in answers if one.original == case and one.correct == correct]
    return tuple(sorted({one.given.moderator for one in theirs}))
