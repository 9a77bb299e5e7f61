"""All true figures of a window, each with its limit, the value of the window before, and whether data are missing."""

import math
from collections.abc import Callable
from typing import Literal

from benchmarks.assessment.facts import HOUR, WorldHistory
from benchmarks.assessment.truth import (
    audits,
    changes,
    handling,
    harm,
    judgement,
    records,
    rights,
    speech,
    staffing,
)
from benchmarks.assessment.truth.figures import Fact, Key, TrueFigures
from benchmarks.assessment.truth.rules import Rules
from benchmarks.assessment.truth.seen import SeenWindow

MEASURES: tuple[Callable[[SeenWindow], TrueFigures], ...] = (
    speech.room_coverage,
    speech.speech_coverage,
    speech.loss,
    speech.hard_to_hear,
    speech.detection,
    speech.stability,
    handling.review,
    handling.handling,
    handling.backlog,
    judgement.confirmed,
    judgement.precision,
    judgement.wrong_actions,
    judgement.reported,
    judgement.agreement,
    judgement.offenders,
    audits.audited,
    staffing.reviewers,
    staffing.cover,
    staffing.load,
    rights.reports,
    rights.appeals,
    records.complete,
    records.retention,
    records.evidence,
    records.access,
    harm.exposure,
    harm.spread,
    changes.policy_changes,
    changes.stop_drills,
    changes.voices,
    changes.requests,
)

Source = Literal["speech", "cases", "ledger", "log"]
SOURCES: dict[Source, frozenset[str]] = {
    "speech": frozenset(f"I-{number:02}" for number in (1, 2, 3, 4, 5, 12, 13, 16, 22, 24, 32)),
    "cases": frozenset(
        f"I-{number:02}" for number in (6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25, 26)
    ),
    "ledger": frozenset({"I-01"}),
    "log": frozenset({"I-16", "I-17", "I-18", "I-21", "I-22", "I-31"}),
}
"""The indicators that lack data if a source begins after the beginning of the window."""


def true_figures(history: WorldHistory, rules: Rules, since: float, until: float) -> dict[Key, Fact]:
    """Return all figures. Those of the only policy or model are left out: they repeat the figures of all speech."""
    seen = SeenWindow(history, rules, since, until)
    before = _measured(seen.moved(since - until))
    monitored, partial = seen.monitored, _partial(seen)
    only = {name for name in ("policy", "model") if len({getattr(one, name) for one in monitored}) <= 1}
    return {
        key: _limited(
            fact._replace(whole=fact.whole and key[0] not in partial, previous=_value(before, key)), key, rules
        )
        for key, fact in _measured(seen).items()
        if only.isdisjoint(dict(key[2]))
    }


def measured(seen: SeenWindow, *chosen: Callable[[SeenWindow], TrueFigures]) -> dict[Key, Fact]:
    """Return the figures of some measures with their limits."""
    return {key: _limited(fact, key, seen.rules) for measure in chosen for key, fact in measure(seen)}


def _measured(seen: SeenWindow) -> dict[Key, Fact]:
    """Return the figures of all measures. Before anything had happened, nothing is measured."""
    found = {key: fact for measure in MEASURES for key, fact in measure(seen)}
    if seen.until <= seen.history.lines[0]:
        return {key: Fact(None, fact.n) for key, fact in found.items()}
    return found


def _value(figures: dict[Key, Fact], key: Key) -> float | None:
    return figures[key].value if key in figures else None


def _limited(fact: Fact, key: Key, rules: Rules) -> Fact:
    """Set the limit, which is about the figure of all speech, and whether the figure keeps it."""
    limit = None if key[2] else rules.limits.get(key[:2])
    if limit is None:
        return fact
    return fact._replace(threshold=limit.number, met=None if fact.value is None else limit.kept(fact.value))


def _partial(seen: SeenWindow) -> set[str]:
    """Return the indicators for which the store lacks data of a part of the window."""
    history = seen.history
    listed = min((line.hour * HOUR for line in history.ledger), default=math.inf)
    late: dict[Source, bool] = {
        "speech": seen.begun > seen.since,
        "cases": seen.begun > seen.since or _deleted(seen),
        "ledger": listed > seen.since,
        "log": history.lines[0] > seen.since,
    }
    return {indicator for source, names in SOURCES.items() if late[source] for indicator in names}


def _deleted(seen: SeenWindow) -> bool:
    """Tell whether the retention job deleted cases that may have been in the window: it keeps them for some days."""
    youngest = seen.history.expired - seen.rules.dismissed_days * 24 * HOUR
    return any(case.deleted for case in seen.history.cases) and youngest > seen.since
