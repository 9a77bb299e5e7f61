"""The signs of article 3 of the Provisions that a world's history shows at a moment."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from benchmarks.assessment.facts import DAY, HOUR, CaseFact, FinishedAssessment, WorldHistory, WorldSpeech
from benchmarks.assessment.truth import harm
from benchmarks.assessment.truth.figures import attribute, by
from benchmarks.assessment.truth.judgement import caught_near
from benchmarks.assessment.truth.rules import Rules
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.window import measured
from benchmarks.assessment.truth.workdays import china_day

ENOUGH = 1_000
"""Utterances that a version must have judged."""
SHOWN = 20


class TrueSignal(NamedTuple):
    """A sign. Signs with the same first three fields are the same one."""

    clause: Literal["3.1", "3.2", "3.3", "3.4", "3.5"]
    name: str
    period: str
    detail: dict[str, Any]


Signals = Iterator[TrueSignal]


@dataclass(frozen=True)
class SeenMoment:
    """The history at a moment `now` (UTC seconds). `recogniser` is the one in use."""

    history: WorldHistory
    rules: Rules
    now: float
    recogniser: str

    @property
    def last(self) -> FinishedAssessment | None:
        return max(self.history.finished, key=lambda one: one.until, default=None)

    @property
    def since(self) -> float:
        """The end of the last assessment's window: earlier signs were assessed."""
        return self.last.until if self.last else 0.0

    @property
    def judged(self) -> list[WorldSpeech]:
        return [one for one in self.history.arrived if one.monitored and not one.drill]

    @property
    def seen(self) -> SeenWindow:
        return SeenWindow(self.history, self.rules, self.now - DAY, self.now)


def signals(moment: SeenMoment) -> Signals:
    """Yield all signs, also those that are known already."""
    for find in (_rooms, _languages, _families, _recogniser, _caught, _registered, _growth, _late, _missed, _spread):
        yield from find(moment)


def _rooms(moment: SeenMoment) -> Signals:
    real = [one for one in moment.history.arrived if not one.drill]
    for kind, found in by(real, lambda one: one.room_type).items():
        first = min(one.cut for one in found if one.cut)
        if first >= moment.since:
            yield TrueSignal("3.1", f"room_type:{kind}", "", {"first_seen_at": first})


def _languages(moment: SeenMoment) -> Signals:
    known = _used(moment, moment.since) if moment.last else {}
    for language, share in _used(moment, moment.now).items():
        if language not in known:
            yield TrueSignal("3.1", f"language:{language}", "", {"share": share})


def _used(moment: SeenMoment, end: float) -> dict[str, float]:
    """Return the languages and their shares in the 30 days before the full hour of `end`."""
    last = end // HOUR
    counts = Counter[str]()
    for one in moment.judged:
        if last - 30 * 24 <= one.hour < last:
            counts[one.language] += one.samples
    total = counts.total()
    return {name: count / total for name, count in counts.items() if count / total >= moment.rules.language_share}


def _families(moment: SeenMoment) -> Signals:
    for kind in ("model", "policy"):
        first: dict[str, int] = {}
        for one in moment.judged:
            family = attribute(kind)(one).split("@")[0]
            first[family] = min(one.hour, first.get(family, one.hour))
        for family, hour in first.items():
            if hour > min(first.values()) and hour * HOUR >= moment.since:
                yield TrueSignal("3.2", f"{kind}:{family}", "", {"first_used_at": hour * HOUR})


def _recogniser(moment: SeenMoment) -> Signals:
    if moment.last and moment.last.recogniser != moment.recogniser:
        detail = {"before": moment.last.recogniser, "after": moment.recogniser}
        yield TrueSignal("3.2", f"recogniser:{moment.recogniser}", moment.last.id, detail)


def _caught(moment: SeenMoment) -> Signals:
    """Compare the versions that judged enough speech after the last assessment, in order of first use."""
    recent = [one for one in moment.judged if one.hour * HOUR >= moment.since]
    versions = by(recent, lambda one: (one.policy, one.model))
    ordered = sorted((min(one.hour for one in found), version) for version, found in versions.items())
    shares = [
        (" ".join(version), sum(one.suggestion != "pass" for one in versions[version]) / len(versions[version]))
        for _, version in ordered
        if len(versions[version]) >= ENOUGH
    ]
    for (_, before), (version, after) in pairwise(shares):
        if _moved(before, after, moment.rules):
            yield TrueSignal("3.2", "caught_share", version, {"version": version, "before": before, "after": after})


def _moved(before: float, after: float, rules: Rules) -> bool:
    return abs(after - before) > rules.caught_shift * before


def _registered(moment: SeenMoment) -> Signals:
    for entry in moment.history.register:
        if entry.opened < moment.since:
            continue
        detail = {"register": entry.id, **entry.fields}
        if entry.kind == "technical_change":
            yield TrueSignal("3.2", f"technical_change:{entry.fields['component']}", entry.id, detail)
        elif entry.kind == "shadow_run" and _moved(
            entry.fields["caught_before"], entry.fields["caught_after"], moment.rules
        ):
            yield TrueSignal("3.2", "shadow_run", entry.id, detail)


def _growth(moment: SeenMoment) -> Signals:
    if not moment.last:
        return
    uses: dict[str, Callable[[list[WorldSpeech]], float]] = {
        "daily speakers": lambda speech: len({one.speaker for one in speech}),
        "listener hours a day": lambda speech: sum(one.samples * (one.listeners or 0) for one in speech) / 57_600_000,
        "room hours a day": lambda speech: len({(one.hour, one.room) for one in speech}),
    }
    for name, use in uses.items():
        before, after = (_mean(moment, end, name, use) for end in (moment.since, moment.now))
        if before and after and after / before - 1 >= moment.rules.growth:
            detail = {"before": before, "after": after, "growth": after / before - 1, "assessment": moment.last.id}
            yield TrueSignal("3.3", name, moment.last.id, detail)


def _mean(moment: SeenMoment, end: float, name: str, use: Callable[[list[WorldSpeech]], float]) -> float | None:
    """Return the daily mean over the 30 whole days before `end`, or over the days since the first speech."""
    spoken = [one for one in moment.history.arrived if not one.drill]
    if name.startswith("listener"):
        spoken = [one for one in spoken if one.monitored and one.listeners is not None]
    days = by(spoken, lambda one: one.hour // 24)
    last = int(end // DAY)
    first = max(last - 30, min(days, default=last))
    return sum(use(days.get(day, [])) for day in range(first, last)) / (last - first) if last > first else None


def _late(moment: SeenMoment) -> Signals:
    for day, begin, end in _days(moment.now):
        late = sorted(
            (due, case.id)
            for case in moment.seen.real
            if case.kind in {"flagged", "report"} and case.label in moment.rules.illegal
            if begin <= (due := case.created + moment.rules.targets[case.severity]) < min(end, moment.now)
            if _missed_deadline(case, due, moment.now)
        )
        if len(late) >= moment.rules.late_cases:
            yield _of_day("late_illegal_cases", day, [case for _, case in late])


def _missed_deadline(case: CaseFact, due: float, now: float) -> bool:
    """Tell whether a case is open, or was upheld and the first final decision came too late."""
    first = case.decided(now)
    return case.open or (case.upheld(now) and first is not None and first > due)


def _missed(moment: SeenMoment) -> Signals:
    passed = [
        case
        for case in moment.seen.real
        if case.upheld(moment.now)
        if case.kind == "audit" or (case.kind == "report" and not caught_near(moment.seen, case))
    ]
    for day, begin, end in _days(moment.now):
        missed = sorted(
            case.id
            for case in passed
            if any(
                begin <= one.at < end and one.verdict == "uphold" and (one.label or case.label) in moment.rules.illegal
                for one in case.standing(moment.now)
            )
        )
        if len(missed) >= moment.rules.missed_cases:
            yield _of_day("missed_illegal_speech", day, missed)


def _spread(moment: SeenMoment) -> Signals:
    day = china_day(moment.now).isoformat()
    for (indicator, key, _), fact in measured(moment.seen, harm.exposure, harm.spread).items():
        if fact.met is False:
            detail = {"day": day, "value": fact.value, "limit": fact.threshold, "n": fact.n}
            yield TrueSignal("3.4", f"{indicator}.{key}", day, detail)


def _of_day(name: str, day: str, cases: list[str]) -> TrueSignal:
    return TrueSignal("3.4", name, day, {"day": day, "n": len(cases), "cases": cases[:SHOWN]})


def _days(now: float) -> Iterator[tuple[str, float, float]]:
    """Yield yesterday and today in China: the date, and its begin and end in UTC seconds."""
    for ago in (1, 0):
        day = china_day(now) - timedelta(ago)
        begin = (day.toordinal() - 719_163) * DAY - 8 * HOUR
        yield day.isoformat(), begin, begin + DAY
