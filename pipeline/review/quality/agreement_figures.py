"""Quality figures: agreement between people, results on golden cases, and how many flags moderators confirm.

A golden case is a decided case that a lead has marked with the right answer. Undone decisions do not count. The
functions take an open connection to the database. Times are UTC seconds.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, select

from pipeline.review.cases.case_values import REPORTED
from pipeline.review.quality.quality_checks import FINAL, Kind
from pipeline.review.quality.snapshot import in_force, verdict_at, verdict_now
from pipeline.review.quality.statistics import Kappa, Share, kappa
from pipeline.review.tables.case_tables import CHECKS, COPIES, GOLDEN
from pipeline.review.tables.core import CASES, DECISIONS

FLAGGED = (
    CASES.c.suggestion != "pass",
    CASES.c.policy != REPORTED,
    CASES.c.drill == "",
    CASES.c.id.not_in(COPIES),
)
"""Conditions for cases that the pipeline flagged: no audits, no reports, no drills, no copies."""

ENOUGH = 30
"""With fewer pairs or golden cases than this, the console shows no figure."""


class Opinion(Struct, frozen=True):
    """A verdict, with its moderator and its time (UTC seconds)."""

    verdict: str
    moderator: str
    at: float


class Pair(Struct, frozen=True):
    """Two opinions on one case; the second person did not see the first opinion.

    `third` is the opinion that settles a disagreement; None if there is none (yet).
    """

    original: str
    label: str
    first: Opinion
    second: Opinion
    third: Opinion | None

    @property
    def agrees(self) -> bool:
        return self.first.verdict == self.second.verdict

    @property
    def settled(self) -> str | None:
        """The verdict that at least two people gave; None if there is none yet."""
        if self.agrees:
            return self.first.verdict
        return self.third.verdict if self.third else None


class Agreement(Struct, frozen=True):
    """The agreement of pairs: its share and its kappa."""

    share: Share
    kappa: Kappa

    @property
    def enough(self) -> bool:
        """Whether there are enough pairs of opinions on the same case to show a figure."""
        return self.share.n >= ENOUGH


class Answer(Struct, frozen=True):
    """A moderator's opinion on a copy of a golden case; `right` is the golden verdict."""

    original: str
    copy: str
    label: str
    right: str
    given: Opinion

    @property
    def correct(self) -> bool:
        return self.right == self.given.verdict


def pairs(
    connection: Connection, since: float, until: float = math.inf, kinds: Sequence[Kind] = ("second",)
) -> list[Pair]:
    """Return the pairs whose second opinion was drawn from `since` to `until`, newest first.

    Only decisions from before `until` count. `kinds` are those of the second opinions. The default ones are a random
    sample of the decisions.
    """
    query = (
        select(CHECKS.c.case_id, CHECKS.c.original, CASES.c.label)
        .join(CASES, CASES.c.id == CHECKS.c.case_id)
        .where(*_drawn(kinds, since, until))
        .order_by(CHECKS.c.drawn_at.desc(), CHECKS.c.case_id)
    )
    firsts = _opinions(connection, kinds, since, until, of_original=True)
    seconds, thirds = (_opinions(connection, each, since, until) for each in (kinds, ("third",)))
    by_original = {original: copy for copy, original in _originals(connection, ("third",), since, until).items()}
    return [
        Pair(
            row.original,
            row.label,
            # The first decision on the original: a later one may follow an appeal or a correction.
            firsts[row.original][0],
            seconds[row.case_id][-1],
            _last(thirds.get(by_original.get(row.original, ""))),
        )
        for row in connection.execute(query)
        if row.original in firsts and row.case_id in seconds
    ]


def agreement(found: Sequence[Pair]) -> Agreement:
    """Return the agreement of these pairs."""
    verdicts = [(pair.first.verdict, pair.second.verdict) for pair in found]
    return Agreement(Share(sum(pair.agrees for pair in found), len(found)), kappa(verdicts))


def by_label(found: Iterable[Pair]) -> dict[str, Agreement]:
    """Return the agreement for each label; the label with the most pairs comes first."""
    groups = _grouped(found, lambda pair: pair.label)
    return {
        label: agreement(group) for label, group in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def answers(connection: Connection, since: float, until: float = math.inf) -> list[Answer]:
    """Return the answers to golden cases that were drawn from `since` to `until`, newest first."""
    query = (
        select(CHECKS.c.case_id, CHECKS.c.original, CASES.c.label, GOLDEN.c.verdict)
        .join(CASES, CASES.c.id == CHECKS.c.case_id)
        .join(GOLDEN, GOLDEN.c.case_id == CHECKS.c.original)
        .where(*_drawn(("golden",), since, until))
        .order_by(CHECKS.c.drawn_at.desc(), CHECKS.c.case_id)
    )
    given = _opinions(connection, ("golden",), since, until)
    return [
        Answer(row.original, row.case_id, row.label, row.verdict, given[row.case_id][-1])
        for row in connection.execute(query)
        if row.case_id in given
    ]


def correct(found: Sequence[Answer]) -> Share:
    """Return the share of correct answers."""
    return Share(sum(answer.correct for answer in found), len(found))


def confirmed(connection: Connection, since: float, until: float = math.inf) -> dict[str, Share]:
    """Return, by the label that the pipeline gave, the share of upheld cases among decided flagged cases.

    The cases were decided from `since` to `until`. The share is no precision if only a part of the flagged cases is
    reviewed.
    """
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(FINAL, 0))
    decided = select(DECISIONS.c.case_id).where(DECISIONS.c.at >= since, *in_force(until))
    # The stored verdict is read much faster than the decisions of each case.
    last = verdict_now() if until == math.inf else verdict_at(until)
    each = select(CASES.c.label, last.label("verdict")).where(CASES.c.id.in_(decided), *FLAGGED).subquery().c
    query = select(*each, func.count().label("n")).group_by(*each)
    for row in connection.execute(query):
        counts[row.label][row.verdict] = row.n
    return {label: Share(c["uphold"], c["uphold"] + c["dismiss"]) for label, c in sorted(counts.items())}


def _drawn(kinds: Sequence[Kind], since: float, until: float) -> tuple[ColumnElement[bool], ...]:
    return CHECKS.c.kind.in_(kinds), CHECKS.c.drawn_at >= since, CHECKS.c.drawn_at < until


def _originals(connection: Connection, kinds: Sequence[Kind], since: float, until: float) -> dict[str, str]:
    query = select(CHECKS.c.case_id, CHECKS.c.original).where(*_drawn(kinds, since, until))
    return {row.case_id: row.original for row in connection.execute(query)}


def _opinions(
    connection: Connection, kinds: Sequence[Kind], since: float, until: float, of_original: bool = False
) -> Mapping[str, Sequence[Opinion]]:
    """Return, by case, the final verdicts on the checks of these kinds, in order of time. Undone ones are left out.

    With `of_original`, return the verdicts on the original cases of these checks.
    """
    which = CHECKS.c.original if of_original else CHECKS.c.case_id
    query = (
        select(DECISIONS.c.case_id, DECISIONS.c.verdict, DECISIONS.c.moderator, DECISIONS.c.at)
        .where(DECISIONS.c.case_id.in_(select(which).where(*_drawn(kinds, since, until))), *in_force(until))
        .order_by(DECISIONS.c.at, DECISIONS.c.id)
    )
    found: dict[str, list[Opinion]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.case_id].append(Opinion(row.verdict, row.moderator, row.at))
    return found


def _last(opinions: Sequence[Opinion] | None) -> Opinion | None:
    return opinions[-1] if opinions else None


def _grouped(found: Iterable[Pair], key: Callable[[Pair], str]) -> dict[str, list[Pair]]:
    groups: dict[str, list[Pair]] = defaultdict(list)
    for one in found:
        groups[key(one)].append(one)
    return groups
