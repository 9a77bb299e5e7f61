"""The share of wrong decisions of one person, from second opinions and golden cases.

People who do not see each other's decision are taken to err independently. Two of three then decide rightly far more
often than one. So the verdict of two of three is the right one here, and its own errors are estimated from
the same counts. The corrections are those of Rogan and Gladen (American Journal of Epidemiology 107, 1978).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, ScalarSelect, case, func, select

from pipeline.review.quality.agreement_figures import ENOUGH
from pipeline.review.quality.figure import Window
from pipeline.review.quality.quality_checks import SECONDS, Kind, golden_at
from pipeline.review.quality.snapshot import FLAGGED, SNAPSHOT
from pipeline.review.quality.statistics import Estimate, Share, scaled
from pipeline.review.tables.case_tables import CHECKS

COPY = SNAPSHOT.alias("copied")
MOST = 4 / 27
"""The largest value of a (1 - a)²."""

Opinions = Mapping[tuple[str, str], int]
"""The number of opinions, by the right verdict and the given one."""


class ReviewErrors(Struct, frozen=True):
    """The wrong opinions of one person. Each is a share of opinions."""

    harmless: Share = Share(0, 0)
    """On flagged speech that is harmless: the share that upheld it."""
    violating: Share = Share(0, 0)
    """On flagged speech that breaks the rules: the share that dismissed it."""

    @property
    def known(self) -> bool:
        """Whether there are enough opinions for an estimate. If half of them are wrong, they tell nothing."""
        both = (self.harmless, self.violating)
        return all(2 * one.hits < one.n for one in both) and sum(one.n for one in both) >= ENOUGH


def read(connection: Connection, window: Window) -> ReviewErrors:
    """Return the errors on flagged speech: the checks that were drawn in the window, with the snapshot's verdicts."""
    drawn = (CHECKS.c.drawn_at >= window.since, CHECKS.c.drawn_at < window.until, COPY.c.verdict.is_not(None))
    copies = CHECKS.join(COPY, COPY.c.id == CHECKS.c.case_id)
    # Only opinions that were drawn at random: an upheld audit gets its second one because it was upheld.
    pairs = select(SNAPSHOT.c.verdict, COPY.c.verdict.label("second"), opinion("third").label("third"))
    pairs = pairs.select_from(copies.join(SNAPSHOT, SNAPSHOT.c.id == CHECKS.c.original))
    each = pairs.where(CHECKS.c.kind == "second", FLAGGED, SNAPSHOT.c.verdict.is_not(None), *drawn).subquery().c
    found = select(each.verdict, each.second, each.third, func.count()).group_by(each.verdict, each.second, each.third)
    answers = select(CHECKS.c.original, COPY.c.verdict, func.count()).select_from(copies)
    answers = answers.where(CHECKS.c.kind == "golden", *drawn).group_by(CHECKS.c.original, COPY.c.verdict)
    golden: Counter[tuple[str, str]] = Counter()
    right = golden_at(connection, window.until)
    for original, given, n in connection.execute(answers):
        if original in right:
            golden[right[original], given] += n
    return errors(settled_opinions(tuple(row) for row in connection.execute(found)), golden)


def opinion(*kinds: Kind, original: ColumnElement[str] = SNAPSHOT.c.id) -> ScalarSelect[Any]:
    """Return the newest verdict on a copy, of these kinds, of the case `original`; NULL if there is none."""
    check, copy = CHECKS.alias(), SNAPSHOT.alias()
    query = select(copy.c.verdict).select_from(check.join(copy, copy.c.id == check.c.case_id))
    query = query.where(check.c.original == original, check.c.kind.in_(kinds), copy.c.verdict.is_not(None))
    return query.order_by(copy.c.last_at.desc(), copy.c.id).limit(1).correlate(SNAPSHOT, CHECKS).scalar_subquery()


def settled() -> ColumnElement[Any]:
    """Return the verdict that two of three people gave on the row of SNAPSHOT; NULL as long as there is none."""
    agreed = SNAPSHOT.c.verdict == opinion(*SECONDS)
    return case((agreed, SNAPSHOT.c.verdict), else_=opinion("third"))


def settled_opinions(pairs: Iterable[tuple[str, str, str | None, int]]) -> Opinions:
    """Return the first and second opinions by the verdict of two of three people.

    `pairs` has the first, the second and the third verdict, and the number of cases with these verdicts.
    """
    found: Counter[tuple[str, str]] = Counter()
    for first, second, third, n in pairs:
        right = first if first == second else third
        for given in (first, second):
            if right:  # else the third person has not decided yet
                found[right, given] += n
    return found


def errors(*counted: Opinions) -> ReviewErrors:
    """Return the errors among all these opinions."""

    def wrong(right: str, given: str) -> Share:
        hits = sum(one.get((right, given), 0) for one in counted)
        return Share(hits, hits + sum(one.get((right, right), 0) for one in counted))

    return ReviewErrors(wrong("dismiss", "uphold"), wrong("uphold", "dismiss"))


def twice_wrong(disputed: Share, chosen: int) -> Estimate:
    """Estimate the share of harmless audits that two of three people uphold.

    `disputed` is the share of audits that one person upheld and two dismissed. `chosen` of its hits count, e.g. those
    of one label.
    """
    # If one person upholds with the probability a, then the disputed share is a (1 - a)², and a² (2 - a) are upheld.
    low, value, high = (_one_wrong(share) for share in (disputed.interval[0], disputed.value, disputed.interval[1]))
    if chosen == disputed.hits:
        return Estimate(value**2 * (2 - value), (low**2 * (2 - low), high**2 * (2 - high)))
    part = Share(chosen, disputed.n)
    return scaled(Estimate(part.value, part.interval), value * (2 - value) / (1 - value) ** 2)


def _one_wrong(disputed: float) -> float:
    """Return the a of a (1 - a)² = `disputed`, up to a third."""
    error, wanted = 0.0, min(disputed, MOST)
    for _ in range(100):  # the steps shrink by 2 a / (1 - a) at least
        error = wanted / (1 - error) ** 2
    return error
