"""Whether enough moderators are at work: I-16 to I-18."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from benchmarks.assessment.facts import HOUR
from benchmarks.assessment.truth.figures import TrueFigures, by, over, true
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.waits import Wait, quantile, up

WORK = ("case.claim", "case.skip", "case.decide", "case.undo", "appeal.settle")


class WorkAct(NamedTuple):
    """What a person did in a case."""

    at: float
    person: str
    action: str
    case: str


def reviewers(seen: SeenWindow) -> TrueFigures:
    """I-16."""
    people: dict[int, set[str]] = defaultdict(set)
    for act in _acts(seen, seen.since):
        people[int(act.at // HOUR)].add(act.person)
    rooms = by(seen.speech, lambda one: one.hour)
    ratios = sorted(len(people[hour]) / len({one.room for one in found}) for hour, found in rooms.items())
    yield true("I-16", "min", ratios[0] if ratios else None, len(ratios))
    yield true("I-16", "p5", ratios[math.ceil(0.05 * len(ratios)) - 1] if ratios else None, len(ratios))


def cover(seen: SeenWindow) -> TrueFigures:
    """I-17."""
    lasting = math.ceil(seen.rules.lease / 60)
    acts = _acts(seen, seen.since - lasting * 60)
    busy = {int(act.at // 60) + later for act in acts for later in range(lasting)}
    logged = any(at < seen.until for at in seen.history.lines)
    minutes = range(math.ceil(seen.since / 60), math.ceil(seen.until / 60) if logged else 0)
    gaps = [len(list(run)) for free, run in groupby(minutes, lambda minute: minute not in busy) if free]
    yield true("I-17", "share", over(len(minutes) - sum(gaps), len(minutes)), len(minutes))
    yield true("I-17", "longest_gap", max(gaps, default=0) * 60 if logged else None, len(minutes))


def load(seen: SeenWindow) -> TrueFigures:
    """I-18."""
    lasting = math.ceil(seen.rules.lease / 60)
    acts = _acts(seen, seen.since)
    busy = {(act.person, int(act.at // 60) + later) for act in acts for later in range(lasting)}
    decisions = sum(act.action == "case.decide" for act in acts)
    hours = Fraction(len(busy), 60)
    yield true("I-18", "decisions_per_hour", over(decisions, hours), decisions)
    yield true("I-18", "decisions", decisions or None, decisions)
    yield true("I-18", "reviewer_hours", hours or None, decisions)
    times = [Wait(up(seconds), True) for seconds in decision_times(acts)]
    yield true("I-18", "seconds", quantile(times, 0.5), len(times))


def decision_times(acts: Sequence[WorkAct]) -> Iterator[float]:
    """Yield the seconds of the decisions whose person did nothing but take the case before, in this case."""
    before: dict[tuple[str, str], WorkAct] = {}
    for act in sorted(acts):
        last = before.get((act.person, act.case))
        if act.action == "case.decide" and last and last.action == "case.claim":
            yield act.at - last.at
        before[act.person, act.case] = act


def _acts(seen: SeenWindow, since: float) -> list[WorkAct]:
    """Return the work from `since` to the end of the window."""
    return [
        WorkAct(act.at, act.person, act.action, act.case)
        for act in seen.history.acts
        if act.action in WORK and since <= act.at < seen.until
    ]
