"""How fast cases are reviewed and acted on, and how many wait: I-06 to I-08."""

import math
from collections.abc import Sequence
from fractions import Fraction
from statistics import median

from benchmarks.assessment.facts import DAY, HOUR, CaseFact, Given
from benchmarks.assessment.truth.figures import Split, TrueFigures, attribute, by, over, parts, true
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.waits import Wait, over_after, quantile

SEVERITY_NAMES = ("low", "medium", "high", "critical")


def review(seen: SeenWindow) -> TrueFigures:
    """I-06."""
    names = {name: attribute(name) for name in ("label", "language", "room_type", "policy")}
    for part, cases in parts(seen.cases("flagged"), severity=severity_name, **names):
        waits = [(case, Wait.of(case.created, case.decided(seen.until), seen.until)) for case in cases]
        each = [wait for _, wait in waits]
        for key, share in (("p50", 0.5), ("p95", 0.95)):
            yield true("I-06", key, quantile(each, share), len(cases), part)
        yield true("I-06", "in_time", _in_time(waits, seen.rules.targets), len(cases), part)
        yield true("I-06", "undecided", sum(not wait.over for wait in each) if each else None, len(cases), part)


def _in_time(waits: Sequence[tuple[CaseFact, Wait]], targets: Sequence[float]) -> Fraction | None:
    shares = []
    for level, found in by(waits, lambda each: each[0].severity).items():
        share = over_after([wait for _, wait in found], targets[level])
        if share is not None:
            shares.append((len(found), share))
    return over(sum(n * share for n, share in shares), sum(n for n, _ in shares))


def handling(seen: SeenWindow) -> TrueFigures:
    """I-07."""
    cases = [case for case in seen.cases("flagged") if _ordered(case, seen.until)]
    for part, found in parts(cases, severity=severity_name, label=attribute("label")):
        waits = [Wait.of(case.end, _stopped(case, seen.until), seen.until) for case in found]
        for key, share in (("p50", 0.5), ("p95", 0.95)):
            yield true("I-07", key, quantile(waits, share), len(found), part)
        yield true("I-07", "confirmed", over(sum(wait.over for wait in waits), len(found)), len(found), part)


def _ordered(case: CaseFact, until: float) -> list[Given]:
    return [one for one in case.standing(until) if one.action]


def _stopped(case: CaseFact, until: float) -> float | None:
    """Return the time at which the app had carried out the first ordered action."""
    done = [one.done(until) for one in _ordered(case, until)]
    return min((at for at in done if at is not None), default=None)


def backlog(seen: SeenWindow) -> TrueFigures:
    """I-08."""
    stored = [case for case in seen.real if case.kind in {"flagged", "audit", "report"} and case.created < seen.until]
    waiting = [(case, case.decided(seen.until)) for case in stored]
    waiting = [(case, at) for case, at in waiting if at is None or at > seen.since]
    for part, found in parts(waiting, severity=lambda each: severity_name(each[0])):
        yield from _waiting(seen, found, part)


def _waiting(seen: SeenWindow, cases: Sequence[tuple[CaseFact, float | None]], part: Split) -> TrueFigures:
    n = len(cases)
    left = [seen.until - case.created for case, at in cases if at is None]
    ages = [(seen.until if at is None else at) - case.created for case, at in cases]
    marks = [hour * HOUR for hour in range(math.ceil(seen.since / HOUR), math.ceil(seen.until / HOUR))]
    days = by(marks, lambda mark: mark // DAY)
    most = [max(count_open(cases, mark) for mark in day) for day in days.values()] if n else []
    yield true("I-08", "open", len(left) if n else None, n, part)
    yield true("I-08", "open_max", max(most, default=None), n, part)
    yield true("I-08", "open_daily", median(most) if most else None, n, part)
    yield true("I-08", "oldest", max(left, default=None), n, part)
    yield true("I-08", "oldest_max", max(ages, default=None), n, part)


def count_open(cases: Sequence[tuple[CaseFact, float | None]], mark: float) -> int:
    """Count the cases that are open at a time: stored by then, and not decided by then."""
    return sum(case.created <= mark and (at is None or at > mark) for case, at in cases)


def severity_name(case: CaseFact) -> str:
    """Return the name of a case's severity."""
    return SEVERITY_NAMES[case.severity]
