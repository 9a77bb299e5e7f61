"""The list of golden cases with the answers to each, and proposals for new ones.

Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Select, select

from pipeline.review.cases import reading
from pipeline.review.cases.values import REPORTED, Case
from pipeline.review.quality import checks, figures
from pipeline.review.quality.checks import FORGET_SECONDS
from pipeline.review.quality.figures import Answer
from pipeline.review.tables.core import CASES
from pipeline.review.tables.quality import CHECKS, GOLDEN

MOST_GOLDEN = 200
PROPOSED = 20
"""The most proposals."""
ANSWERS = 5_000
PAIRS = 1_000
RECENT_SECONDS = 30 * 86_400.0


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
    answers = figures.answers(connection, _since(connection, "golden", ANSWERS, at - FORGET_SECONDS))
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
    """Return cases with an agreed verdict that could become golden: those with three opinions first.

    They are among the newest PAIRS pairs of opinions.
    """
    since = _since(connection, "second", PAIRS, at - RECENT_SECONDS)
    pairs = [pair for pair in figures.pairs(connection, since) if pair.settled]
    pairs.sort(key=lambda pair: pair.third is None)
    known = select(GOLDEN.c.case_id)
    allowed = (CASES.c.status == "decided", CASES.c.policy != REPORTED, CASES.c.id.not_in(known))
    copies = select(CHECKS.c.case_id)
    query = select(CASES).where(CASES.c.id.in_({pair.original for pair in pairs[: 5 * PROPOSED]}), *allowed)
    cases = {row.id: reading.case_of(row) for row in connection.execute(query.where(CASES.c.id.not_in(copies)))}
    found = [
        GoldenProposal(cases[pair.original], str(pair.settled), _agreed(pair))
        for pair in pairs
        if pair.original in cases
    ]
    return found[:PROPOSED]


def _since(connection: Connection, kind: checks.Kind, most: int, oldest: float) -> float:
    """Return the time from which on at most `most` checks of a kind were drawn, at earliest `oldest`."""
    drawn = select(CHECKS.c.drawn_at).where(CHECKS.c.kind == kind, CHECKS.c.drawn_at >= oldest)
    first = connection.scalar(drawn.order_by(CHECKS.c.drawn_at.desc()).offset(most).limit(1))
    return oldest if first is None else math.nextafter(first, math.inf)


def _agreed(pair: figures.Pair) -> tuple[str, ...]:
    opinions = [one for one in (pair.first, pair.second, pair.third) if one and one.verdict == pair.settled]
    return tuple(sorted({one.moderator for one in opinions}))


def _names(answers: Sequence[Answer], case: str, *, correct: bool) -> tuple[str, ...]:
    theirs = [one for one in answers if one.original == case and one.correct == correct]
    return tuple(sorted({one.given.moderator for one in theirs}))
