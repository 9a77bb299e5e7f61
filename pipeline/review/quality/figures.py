"""Quality figures: agreement between people, results on golden cases, the pipeline's precision and recall.

Undone decisions do not count. The caller opens the connection. Times are UTC seconds.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, Select, func, select

from pipeline.review.cases.values import REPORTED
from pipeline.review.quality.checks import FINAL
from pipeline.review.quality.statistics import Interval, Kappa, Share, kappa, none_found, weighted_count
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS
from pipeline.review.tables.quality import CHECKS, COPIES, GOLDEN

FLAGGED = (CASES.c.suggestion != "pass", CASES.c.policy != REPORTED, CASES.c.id.not_in(COPIES))
"""Conditions for cases that the pipeline flagged: no audits, no reports, no copies."""

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
    second_case: str
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
        """Whether there are enough pairs to show a figure."""
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


class Recall(Struct, frozen=True):
    """Recall: the share of utterances that break the rules and were flagged.

    `caught` counts the flags of upheld cases. `missed` is estimated from the audits: the sum of 1 / p over all upheld
    audits, where p is the probability with which an audit was drawn (Horvitz and Thompson 1952). The sum is scaled up
    for audits that are not decided yet.
    """

    caught: int
    audited: int
    decided: int
    found: int
    missed: float
    missed_interval: Interval

    @property
    def value(self) -> float:
        """The estimated recall, 0 to 1; NaN if nothing was caught or missed."""
        return self.caught / (self.caught + self.missed) if self.caught + self.missed else math.nan

    @property
    def interval(self) -> Interval:
        """The 95 % interval of `value`. It comes from `missed` alone, because `caught` is a full count."""
        if not self.caught:
            return 0.0, 1.0
        low, high = self.missed_interval
        return self.caught / (self.caught + high), self.caught / (self.caught + low)


def pairs(connection: Connection, since: float) -> list[Pair]:
    """Return the pairs whose second opinion was drawn at or after `since` and is decided, newest first."""
    query = (
        select(CHECKS.c.case_id, CHECKS.c.original, CASES.c.label)
        .join(CASES, CASES.c.id == CHECKS.c.case_id)
        .where(CHECKS.c.kind == "second", CHECKS.c.done.is_(True), CHECKS.c.drawn_at >= since)
        .order_by(CHECKS.c.drawn_at.desc(), CHECKS.c.case_id)
    )
    firsts = _opinions(connection, "second", since, of_original=True)
    seconds, thirds = _opinions(connection, "second", since), _opinions(connection, "third", since)
    by_original = {original: copy for copy, original in _originals(connection, "third", since).items()}
    return [
        Pair(
            row.original,
            row.case_id,
            row.label,
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


def answers(connection: Connection, since: float) -> list[Answer]:
    """Return the answers to golden cases that were drawn at or after `since`, newest first."""
    query = (
        select(CHECKS.c.case_id, CHECKS.c.original, CASES.c.label, GOLDEN.c.verdict)
        .join(CASES, CASES.c.id == CHECKS.c.case_id)
        .join(GOLDEN, GOLDEN.c.case_id == CHECKS.c.original)
        .where(CHECKS.c.kind == "golden", CHECKS.c.done.is_(True), CHECKS.c.drawn_at >= since)
        .order_by(CHECKS.c.drawn_at.desc(), CHECKS.c.case_id)
    )
    given = _opinions(connection, "golden", since)
    return [
        Answer(row.original, row.case_id, row.label, row.verdict, given[row.case_id][-1])
        for row in connection.execute(query)
        if row.case_id in given
    ]


def correct(found: Sequence[Answer]) -> Share:
    """Return the share of correct answers."""
    return Share(sum(answer.correct for answer in found), len(found))


def precision(connection: Connection, since: float) -> dict[str, Share]:
    """Return, by label, the share of upheld cases among flagged cases that were decided at or after `since`.

    The label is the one that the pipeline gave.
    """
    query = (
        select(CASES.c.label, CASES.c.verdict, func.count().label("n"))
        .where(CASES.c.id.in_(_decided_cases(since)), CASES.c.verdict.in_(FINAL), *FLAGGED)
        .group_by(CASES.c.label, CASES.c.verdict)
    )
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(FINAL, 0))
    for row in connection.execute(query):
        counts[row.label][row.verdict] = row.n
    return {label: Share(c["uphold"], c["uphold"] + c["dismiss"]) for label, c in sorted(counts.items())}


def recall(connection: Connection, since: float) -> Recall | None:
    """Return the recall for speech that was drawn or flagged at or after `since`.

    None: no audit is decided, so there is no estimate.
    """
    query = (
        select(CHECKS.c.probability, CASES.c.verdict, CASES.c.status)
        .join(CASES, CASES.c.id == CHECKS.c.case_id)
        .where(CHECKS.c.kind == "audit", CHECKS.c.drawn_at >= since)
    )
    audits = connection.execute(query).all()
    decided = [row for row in audits if row.status == "decided"]
    if not decided:
        return None
    waiting = len(audits) / len(decided)
    weights = [waiting / row.probability for row in decided if row.verdict == "uphold"]
    heaviest = waiting / min(row.probability for row in decided)
    interval = weighted_count(weights) if weights else none_found(heaviest)
    caught = _caught(connection, since)
    return Recall(caught, len(audits), len(decided), len(weights), sum(weights), interval)


def _caught(connection: Connection, since: float) -> int:
    """Count the flags of upheld cases that were stored at or after `since`."""
    query = (
        select(func.count())
        .select_from(FLAGS)
        .join(CASES, CASES.c.id == FLAGS.c.case_id)
        .where(CASES.c.created_at >= since, CASES.c.verdict == "uphold", ~FLAGS.c.linked, *FLAGGED)
    )
    return int(connection.execute(query).scalar_one())


def _decided_cases(since: float) -> Select[tuple[str]]:
    return select(DECISIONS.c.case_id).where(DECISIONS.c.at >= since, DECISIONS.c.undone.is_(None))


def _originals(connection: Connection, kind: str, since: float) -> dict[str, str]:
    query = select(CHECKS.c.case_id, CHECKS.c.original).where(CHECKS.c.kind == kind, CHECKS.c.drawn_at >= since)
    return {row.case_id: row.original for row in connection.execute(query)}


def _opinions(
    connection: Connection, kind: str, since: float, of_original: bool = False
) -> Mapping[str, Sequence[Opinion]]:
    """Return, by case, the final verdicts on the checks of a kind, in order of time. Undone ones are left out.

    With `of_original`, return the verdicts on the original cases of these checks.
    """
    which = CHECKS.c.original if of_original else CHECKS.c.case_id
    query = (
        select(DECISIONS.c.case_id, DECISIONS.c.verdict, DECISIONS.c.moderator, DECISIONS.c.at)
        .where(DECISIONS.c.case_id.in_(select(which).where(CHECKS.c.kind == kind, CHECKS.c.drawn_at >= since)))
        .where(DECISIONS.c.undone.is_(None), DECISIONS.c.verdict.in_(FINAL))
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
