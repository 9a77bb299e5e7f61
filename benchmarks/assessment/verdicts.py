"""The true figures of judgement, rights, records and changes: I-09 to I-15, I-19 to I-23, and I-26 to I-31.

See `truth.py`, whose rules hold here too.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from hashlib import sha256
from typing import NamedTuple

from benchmarks.assessment.facts import (
    DAY,
    HOUR,
    Appealed,
    CaseFact,
    Given,
    Reported,
    WorldEntry,
    WorldHistory,
    WorldSpeech,
)
from benchmarks.assessment.truth import Fact, Key, Rules, Split, Wait, attribute, by, over, over_after, parts, quantile

OF_CASES = {name: attribute(name) for name in ("label", "language", "room_type", "policy")}
KEPT_DAYS = 183
SAMPLE = 200
NEAR = 60.0
AGAIN = 30 * DAY


class SimulatedAction(NamedTuple):
    """An action that a moderator ordered in a case."""

    case: CaseFact
    given: Given


class RuledItem(NamedTuple):
    """A judged utterance: its case, its final label, whether it breaks the rules (None: not decided), and 1/π."""

    case: CaseFact
    speech: WorldSpeech
    label: str
    violates: bool | None
    weight: Fraction


class Verdicts:
    """The figures of the window from `since` to `until`, UTC seconds."""

    def __init__(self, history: WorldHistory, rules: Rules, since: float, until: float) -> None:
        self._history = history
        self._rules = rules
        self._since = since
        self._until = until
        self._real = [case for case in history.kept() if not case.drill]
        self.figures: dict[Key, Fact] = {}
        for measure in (
            self._confirmed,
            self._precision,
            self._wrong,
            self._audited,
            self._reported,
            self._agreement,
            self._reports,
            self._appeals,
            self._complete,
            self._retention,
            self._evidence,
            self._offenders,
            self._changes,
            self._stop_drills,
            self._voices,
            self._requests,
            self._access,
        ):
            measure()

    def _put(self, indicator: str, key: str, value: float | Fraction | None, n: int, part: Split = ()) -> None:
        self.figures[indicator, key, part] = Fact(None if value is None else float(value), n)

    def _within(self, at: float) -> bool:
        return self._since <= at < self._until

    def _flagged(self) -> list[CaseFact]:
        return [case for case in self._real if case.kind == "flagged"]

    def _verdict(self, case: CaseFact) -> str | None:
        last = case.last(self._until)
        return last.verdict if last else None

    # Judgement

    def _confirmed(self) -> None:
        cases = [case for case in self._flagged() if any(one.at >= self._since for one in case.standing(self._until))]
        for part, found in parts(cases, **OF_CASES):
            self._put(
                "I-09", "share", over(sum(case.upheld(self._until) for case in found), len(found)), len(found), part
            )

    def _precision(self) -> None:
        flagged = [case for case in self._flagged() if self._within(case.created)]
        opinions = [
            case
            for case in self._real
            if case.kind == "second" and self._within(case.created) and case.suggestion != "pass"
        ]
        drawn = any(self._verdict(case) for case in opinions)
        for part, found in parts([*flagged, *opinions], **OF_CASES):
            seconds = [case for case in found if case.kind == "second" and self._verdict(case)]
            firsts = [case for case in found if case.kind == "flagged"]
            chosen = seconds if drawn else firsts
            known = bool(chosen) and all(self._verdict(case) for case in chosen)
            value = over(sum(case.upheld(self._until) for case in chosen), len(chosen)) if known else None
            self._put("I-10", "share", value, len(chosen), part)
            self._put("I-10", "false_alarms", None if value is None else 1 - value, len(chosen), part)

    def _actions(self, since: float) -> list[SimulatedAction]:
        """Return the actions since a time whose decision stands."""
        cases = [case for case in self._real if case.kind in {"flagged", "audit", "report"}]
        found = [SimulatedAction(case, one) for case in cases for one in case.standing(self._until)]
        return [one for one in found if one.given.action and one.given.at >= since]

    def _wrong(self) -> None:
        for part, found in parts(self._actions(self._since), **of_case(OF_CASES)):
            if part and not part[0][1]:
                continue  # audits have no label, and reports have no language
            wrong = sum(not one.case.upheld(self._until) for one in found)
            self._put("I-11", "share", over(wrong, len(found)), len(found), part)

    def _items(self, kind: str) -> list[RuledItem]:
        cases = [case for case in self._real if case.kind == kind and self._within(case.created)]
        return [self._item(case, speech) for case in cases for speech in case.flags]

    def _item(self, case: CaseFact, speech: WorldSpeech) -> RuledItem:
        last = case.last(self._until)
        label = (last.label if last else None) or case.label
        violates = None if last is None else last.verdict == "uphold"
        return RuledItem(case, speech, label, violates, 1 / Fraction(str(case.probability)))

    def _audited(self) -> None:
        judged = [
            one for one in self._history.speech if one.monitored and not one.drill and self._within(one.hour * HOUR)
        ]
        passed = [one for one in judged if one.suggestion == "pass"]
        audits, flagged = self._items("audit"), self._items("flagged")
        self._estimated((), passed, audits, flagged, "")
        for name in ("language", "model", "policy", "room_type"):
            values = {getattr(one, name) for one in passed} | {dimension(one, name) for one in flagged}
            for value in values:
                self._estimated(
                    ((name, value),),
                    [one for one in passed if getattr(one, name) == value],
                    [one for one in audits if dimension(one, name) == value],
                    [one for one in flagged if dimension(one, name) == value],
                    "",
                )
        for label in {one.label for one in (*audits, *flagged) if one.violates} - {""}:
            self._estimated((("label", label),), passed, audits, flagged, label)

    def _estimated(
        self,
        part: Split,
        passed: Sequence[WorldSpeech],
        audits: Sequence[RuledItem],
        flagged: Sequence[RuledItem],
        label: str,
    ) -> None:
        decided = [one for one in audits if one.violates is not None]
        weights = audit_weights(decided, len(passed))
        self._recall(part, weights, flagged, label)
        self._prevalence(part, passed, weights, flagged, label, len(decided))
        if not label:
            stood = over(sum(one.weight for one in audits), len(passed))
            self._put("I-12", "represented", stood, len(audits), part)

    def _recall(
        self, part: Split, weights: Sequence[tuple[RuledItem, Fraction]], flagged: Sequence[RuledItem], label: str
    ) -> None:
        missed = sum((weight for one, weight in weights if counts(one, label)), Fraction())
        caught = caught_size(flagged, label, lambda one: 1)
        known = bool(weights) and caught + missed > 0
        value = over(caught, caught + missed) if known else None
        n = len(weights) if known else 0
        self._put("I-12", "share", value, n, part)
        self._put("I-12", "missed", None if value is None else 1 - value, n, part)

    def _prevalence(
        self,
        part: Split,
        passed: Sequence[WorldSpeech],
        weights: Sequence[tuple[RuledItem, Fraction]],
        flagged: Sequence[RuledItem],
        label: str,
        decided: int,
    ) -> None:
        missed = sum((weight * one.speech.samples for one, weight in weights if counts(one, label)), Fraction())
        caught = caught_size(flagged, label, lambda one: one.speech.samples)
        total = sum(one.samples for one in passed) + sum(one.speech.samples for one in flagged)
        self._put("I-13", "share", over(missed + caught, total) if weights else None, decided, part)

    def _reported(self) -> None:
        cases = [
            case
            for case in self._real
            if case.kind == "report" and self._within(case.created) and case.heard and case.upheld(self._until)
        ]
        caught = [one for case in self._flagged() for one in (*case.flags, *case.linked)]
        for part, found in parts(cases, label=self._final_label):
            hits = sum(any(near(case, one) for one in caught) for case in found)
            self._put("I-14", "share", over(hits, len(found)), len(found), part)

    def _final_label(self, case: CaseFact) -> str:
        last = case.last(self._until)
        return (last.label if last else None) or case.label

    def _agreement(self) -> None:
        pairs = list(self._pairs())
        settled = list(self._settled())
        labels = {case.label for case, *_ in pairs} | {case.label for case, _ in settled}
        for label in ("", *labels - {""}):
            part: Split = (("label", label),) if label else ()
            chosen = [pair for pair in pairs if label in {"", pair[0].label}]
            equal = sum(first == second for _, first, second, _ in chosen)
            self._put("I-15", "share", over(equal, len(chosen)), len(chosen), part)
            self._put("I-15", "kappa", kappa([(first, second) for _, first, second, _ in chosen]), len(chosen), part)
            again = {case.original.id: final != first for case, first, _, final in chosen if final and case.original}
            for case, verdict in settled:
                if label in {"", case.label}:
                    again[case.id] = again.get(case.id, False) or verdict == "dismiss"
            self._put("I-15", "reversed", over(sum(again.values()), len(again)), len(again), part)

    def _pairs(self) -> Iterator[tuple[CaseFact, str, str, str | None]]:
        """Yield each second opinion with the first verdict, its own, and the one that two people gave."""
        thirds = {case.original.id: case for case in self._drawn("third") if case.original}
        for case in self._drawn("second"):
            original = case.original
            second = self._verdict(case)
            if original is None or original.deleted or second is None or not original.standing(self._until):
                continue
            first = min(original.standing(self._until), key=lambda one: one.at).verdict
            third = thirds.get(original.id)
            final = first if first == second else self._verdict(third) if third else None
            yield case, first, second, final

    def _drawn(self, kind: str) -> list[CaseFact]:
        return [case for case in self._real if case.kind == kind and self._within(case.created)]

    def _settled(self) -> Iterator[tuple[CaseFact, str]]:
        for case in self._real:
            for appeal in case.appeals:
                one = self._settlement(appeal)
                if one and one.at >= self._since:
                    yield case, one.verdict

    def _settlement(self, appeal: Appealed) -> Given | None:
        """Return the decision that had settled an appeal at the end of the window."""
        held = [one for one in appeal.settlements if one.at < self._until]
        return next((one for one in held if one.undone is None or one.undone >= self._until), None)

    def _offenders(self) -> None:
        acted = [one for one in self._actions(self._since - AGAIN) if one.case.upheld(self._until)]
        speakers = by(acted, lambda one: one.case.speaker)
        repeated = [
            any(
                other is not one and one.given.at - AGAIN <= other.given.at <= one.given.at
                for one in found
                if one.given.at >= self._since
                for other in found
            )
            for found in speakers.values()
            if any(one.given.at >= self._since for one in found)
        ]
        self._put("I-26", "share", over(sum(repeated), len(repeated)), len(repeated))

    # Rights

    def _reports(self) -> None:
        filed = [(case, one) for case in self._real for one in case.reports if self._within(one.at)]
        for part, found in parts(filed, label=lambda each: each[1].label):
            closed = [case for case, _ in found if case.standing(self._until)]
            self._put("I-19", "received", len(found), len(found), part)
            self._put("I-19", "acknowledged", None, len(found), part)
            waits = [self._closing(case, one) for case, one in found]
            self._times("I-19", waits, self._rules.report, part)
            right = sum(case.upheld(self._until) for case in closed)
            self._put("I-19", "substantiated", over(right, len(closed)), len(closed), part)
            told = sum(any(one.id in self._history.told for one in case.standing(self._until)) for case in closed)
            self._put("I-19", "feedback", over(told, len(closed)), len(closed), part)

    def _closing(self, case: CaseFact, report: Reported) -> Wait:
        return Wait.of(report.at, case.decided(self._until), self._until)

    def _times(self, indicator: str, waits: Sequence[Wait], stated: float, part: Split) -> None:
        for key, share in (("p50", 0.5), ("p95", 0.95)):
            self._put(indicator, key, quantile(waits, share), len(waits), part)
        self._put(indicator, "in_time", over_after(waits, stated), len(waits), part)

    def _appeals(self) -> None:
        lodged = [(case, one) for case in self._real for one in case.appeals if self._within(one.at)]
        ordered = Counter(one.case.label for one in self._actions(self._since))
        for label in ("", *({case.label for case, _ in lodged} | set(ordered)) - {""}):
            part: Split = (("label", label),) if label else ()
            found = [one for case, one in lodged if label in {"", case.label}]
            actions = ordered[label] if label else ordered.total()
            against = sum(one.against.action is not None for one in found)
            self._put("I-20", "received", len(found), len(found), part)
            self._put("I-20", "per_action", over(against, actions), actions, part)
            settled = [(one, end) for one in found if (end := self._settlement(one))]
            ends = {id(one): end.at for one, end in settled}
            self._times(
                "I-20", [Wait.of(one.at, ends.get(id(one)), self._until) for one in found], self._rules.appeal, part
            )
            changed = sum(end.verdict == "dismiss" for _, end in settled)
            self._put("I-20", "reversed", over(changed, len(settled)), len(settled), part)
            other = sum(end.person != one.against.person for one, end in settled)
            self._put("I-20", "independent", over(other, len(settled)), len(settled), part)

    # Records

    def _complete(self) -> None:
        stored = [
            one
            for case in self._real
            if case.kind in {"flagged", "audit"}
            for one in (*case.flags, *case.linked)
            if one.stored is not None and self._within(one.stored)
        ]
        flags, lines = len(stored), sum(self._within(at) for at in self._history.lines)
        numbers = {
            "": flags + lines,
            "account": flags + lines,
            "time": flags + lines,
            "content": flags,
            "operation": lines,
        }
        for reason, n in numbers.items():
            self._put("I-21", "share", over(n, n), n, (("reason", reason),) if reason else ())
        for reason in ("source_address", "target_address", "source_port", "hardware"):
            self._put("I-21", "share", None, 0, (("reason", reason),))

    def _retention(self) -> None:
        since = self._until - KEPT_DAYS * DAY
        spoken = [one.hour * HOUR for one in self._history.speech if not one.drill]
        times = [at for at in (*self._history.lines, *spoken) if since <= at < self._until]
        days = {math.floor((at - since) / DAY + 1e-6) for at in times}
        self._put("I-22", "days", Fraction(len(days), KEPT_DAYS), KEPT_DAYS)
        expired = self._within(self._history.expired)
        cases = sum(case.deleted for case in self._history.cases) if expired else 0
        clips = self._history.clips_deleted if expired else 0
        self._put("I-22", "early", cases + clips, cases + clips)
        for reason, n in (("case", cases), ("clip", clips)):
            self._put("I-22", "early", n, n, (("reason", reason),))
        self._put("I-22", "erased", 0, 0)
        stored = [case for case in self._history.kept() if case.created < self._until]
        n = len(stored) + sum(len(drill.rooms) for drill in self._history.drills if drill.at < self._until)
        late = [case for case in self._history.kept() if self._overdue(case)]
        self._put("I-22", "overdue", over(len(late), n), n)

    def _overdue(self, case: CaseFact) -> bool:
        """Tell whether the job should have deleted a dismissed case by its last daily run."""
        before = self._until - DAY - self._rules.dismissed_days * DAY
        last = max((one.at for one in case.decisions), default=case.created)
        kept = [one for one in case.decisions if one.undone is None]
        dismissed = bool(kept) and kept[-1].verdict == "dismiss"
        return dismissed and max(case.created, last) < before and not any(one.waits for one in case.appeals)

    def _evidence(self) -> None:
        since = self._until - KEPT_DAYS * DAY
        ordered = sorted(self._actions(since), key=lambda one: sha256(f"evidence\x1f{one.given.id}".encode()).digest())
        sample = ordered[:SAMPLE]
        good = sum(bool(one.case.flags) and one.case.clip is True for one in sample)
        self._put("I-23", "share", over(good, len(sample)), len(sample))

    def _access(self) -> None:
        views = [one for one in self._history.acts if one.action == "case.view" and self._within(one.at)]
        handled = {
            (one.person, one.case)
            for one in self._history.acts
            if one.action in {"case.claim", "case.decide", "appeal.settle"} and one.at < self._until
        }
        n = len(views)
        self._put("I-31", "views", n, n)
        self._put("I-31", "share", over(n, n), n)
        self._put("I-31", "assigned", over(sum((one.person, one.case) in handled for one in views), n), n)
        accounts = self._rules.accounts if self._history.lines[0] < self._until else 0
        self._put("I-31", "unused", 0, accounts)

    # Changes

    def _entries(self, kind: str) -> list[WorldEntry]:
        return [one for one in self._history.register if one.kind == kind and self._within(one.opened)]

    def _changes(self) -> None:
        changes = self._entries("policy_change")
        emergency = [one for one in changes if one.fields.get("emergency")]
        planned = [one for one in changes if not one.fields.get("emergency")]
        for reason, found in (("", changes), ("emergency", emergency), ("planned", planned)):
            waits = [Wait.of(one.opened, one.closed, self._until) for one in found]
            for key, share in (("p50", 0.5), ("max", 1.0)):
                part: Split = (("reason", reason),) if reason else ()
                self._put("I-27", key, quantile(waits, share), len(found), part)

    def _stop_drills(self) -> None:
        held = [one for one in self._history.drills if self._within(one.at)]
        stops = [
            [told.at if told and told.received < self._until else None for told in one.rooms.values()] for one in held
        ]
        whole = [max(at for at in rooms if at) - one.at for one, rooms in zip(held, stops, strict=True) if all(rooms)]
        self._put("I-28", "seconds", max(whole, default=None), len(held))
        failed = sum(at is None for rooms in stops for at in rooms)
        self._put("I-28", "failed", failed if held else None, sum(map(len, stops)))
        self._put("I-28", "drills", len(held), len(held))
        last = max((one.at for one in held), default=None)
        self._put("I-28", "last", None if last is None else (self._until - last) / DAY, len(held))

    def _voices(self) -> None:
        found = self._entries("synthetic_voice")
        for key, top, bottom in (("share", "labelled", "clips"), ("files", "marked", "files")):
            self._put("I-29", key, over(total(found, top), total(found, bottom)), total(found, bottom))

    def _requests(self) -> None:
        used = any(one.opened < self._until for one in self._history.register)
        found, police = self._entries("authority_request"), self._entries("police_report")
        self._put("I-30", "received", len(found) if used else None, len(found))
        due = [one for one in found if one.due is not None and (self._over(one) or one.due < self._until)]
        good = sum(self._over(one) and one.closed <= one.due for one in due)  # type: ignore[operator]
        self._put("I-30", "in_time", over(good, len(due)), len(due))
        waits = [Wait.of(one.opened, one.closed, self._until) for one in found]
        self._put("I-30", "p50", quantile(waits, 0.5), len(found))
        exports = total(found, "exports")
        self._put("I-30", "signed", over(total(found, "signed"), exports), exports)
        told = sum(one.closed is not None and self._over(one) and one.closed <= one.opened + DAY for one in police)
        self._put("I-30", "police", over(told, len(police)), len(police))

    def _over(self, entry: WorldEntry) -> bool:
        return entry.closed is not None and entry.closed < self._until


def audit_weights(decided: Sequence[RuledItem], passed: int) -> list[tuple[RuledItem, Fraction]]:
    """Return the weights of decided audits. They add up to the passed utterances, and each is at least 1."""
    if not passed or not decided:
        return []
    scale = Fraction(passed) / sum((one.weight for one in decided), Fraction())
    return [(one, max(Fraction(1), one.weight * scale)) for one in decided]


def caught_size(flagged: Sequence[RuledItem], label: str, size: Callable[[RuledItem], int]) -> Fraction:
    """Return the size of the flagged speech that breaks the rules. Undecided speech counts like its severity."""
    levels = by(flagged, lambda one: one.case.severity)
    known = {level: [one for one in found if one.violates is not None] for level, found in levels.items()}
    hits, every = Fraction(), Fraction()
    for level, decided in known.items():
        for one in decided:
            weight = Fraction(len(levels[level]), len(decided)) * size(one)
            every += weight
            hits += weight if counts(one, label) else 0
    return hits / every * sum(map(size, flagged)) if every else Fraction()


def counts(one: RuledItem, label: str) -> bool:
    """Tell whether an utterance breaks the rules, by any label or by this one."""
    return bool(one.violates) and label in {"", one.label}


def dimension(one: RuledItem, name: str) -> str:
    """Return the value by which an utterance is split: that of its case, except for the model."""
    return str(getattr(one.speech if name == "model" else one.case, name))


def near(case: CaseFact, speech: WorldSpeech) -> bool:
    """Tell whether speech was said within NEAR of a report's minutes, in its room and by its speaker."""
    said = speech.room == case.room and case.speaker in {"", speech.speaker}
    return said and speech.end >= case.start - NEAR and speech.start <= case.end + NEAR


def kappa(pairs: Sequence[tuple[str, str]]) -> Fraction | None:
    """Return Cohen's kappa of two verdicts on each case."""
    n = len(pairs)
    if not n:
        return None
    seen = Fraction(sum(first == second for first, second in pairs), n)
    one, other = (Counter(pair[place] for pair in pairs) for place in (0, 1))
    chance = sum(Fraction(one[kind] * other[kind], n * n) for kind in one)
    return (seen - chance) / (1 - chance) if chance < 1 else None


def of_case(names: dict[str, Callable[[object], str]]) -> dict[str, Callable[[SimulatedAction], str]]:
    """Return functions that take these attributes from the case of an action."""

    def take(of: Callable[[object], str]) -> Callable[[SimulatedAction], str]:
        return lambda one: of(one.case)

    return {name: take(of) for name, of in names.items()}


def total(entries: Iterable[WorldEntry], field: str) -> int:
    """Return the sum of a number in the entries."""
    return sum(int(one.fields.get(field, 0)) for one in entries)
