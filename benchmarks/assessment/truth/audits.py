"""Recall and prevalence, estimated from audits of passed speech and decisions on flagged speech: I-12 and I-13."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from benchmarks.assessment.facts import CaseFact, Kind, WorldSpeech
from benchmarks.assessment.truth import intervals
from benchmarks.assessment.truth.figures import Split, TrueFigure, TrueFigures, by, over, true
from benchmarks.assessment.truth.intervals import Interval, TrueEstimate, Weighted, turned, weighted_share
from benchmarks.assessment.truth.seen import SeenWindow

DIMENSIONS = ("language", "model", "policy", "room_type")


class RuledItem(NamedTuple):
    """A judged utterance: its case, its final label, whether it breaks the rules (None: not decided), and 1/π."""

    case: CaseFact
    speech: WorldSpeech
    label: str
    violates: bool | None
    weight: Fraction

    def counts(self, label: str) -> bool:
        """Tell whether it breaks the rules, by any label or by this one."""
        return bool(self.violates) and label in {"", self.label}

    def of(self, dimension: str) -> str:
        """Return the value by which it is split: that of its case, except for the model."""
        return str(getattr(self.speech if dimension == "model" else self.case, dimension))


@dataclass(frozen=True)
class AuditedPart:
    """The judged speech of a part of the window: all that passed, the audits of it, and all that was flagged."""

    part: Split
    passed: Sequence[WorldSpeech]
    audits: Sequence[RuledItem]
    flagged: Sequence[RuledItem]

    def of(self, name: str, value: str) -> "AuditedPart":
        return AuditedPart(
            ((name, value),),
            [one for one in self.passed if getattr(one, name) == value],
            [one for one in self.audits if one.of(name) == value],
            [one for one in self.flagged if one.of(name) == value],
        )

    @property
    def weights(self) -> list[tuple[RuledItem, Fraction]]:
        """The decided audits with their weights: they add up to the passed utterances, and each is at least 1."""
        decided = [one for one in self.audits if one.violates is not None]
        if not self.passed or not decided:
            return []
        scale = len(self.passed) / sum((one.weight for one in decided), Fraction())
        return [(one, max(Fraction(1), one.weight * scale)) for one in decided]

    @property
    def review_weights(self) -> list[tuple[RuledItem, Fraction]]:
        """The decided flagged utterances with their weights. An undecided one counts like those of its severity."""
        levels = by(self.flagged, lambda one: one.case.severity)
        decided = {level: [one for one in found if one.violates is not None] for level, found in levels.items()}
        known = sum(len(levels[level]) for level, found in decided.items() if found)
        return [
            (one, Fraction(len(self.flagged), known) * Fraction(len(levels[level]), len(found)))
            for level, found in decided.items()
            for one in found
        ]


def audited(seen: SeenWindow) -> TrueFigures:
    """I-12 and I-13."""
    passed = [one for one in seen.monitored if one.suggestion == "pass"]
    every = AuditedPart((), passed, _items(seen, "audit"), _items(seen, "flagged"))
    yield from _figures(every)
    for name in DIMENSIONS:
        for value in {getattr(one, name) for one in passed} | {one.of(name) for one in every.flagged}:
            yield from _figures(every.of(name, value))
    for label in {one.label for one in (*every.audits, *every.flagged) if one.violates} - {""}:
        yield from _recall(every, (("label", label),), label)
        yield _prevalence(every, (("label", label),), label)


def _items(seen: SeenWindow, kind: Kind) -> list[RuledItem]:
    return [
        RuledItem(case, speech, seen.final_label(case), _violates(seen, case), 1 / Fraction(str(case.probability)))
        for case in seen.cases(kind)
        for speech in case.flags
    ]


def _violates(seen: SeenWindow, case: CaseFact) -> bool | None:
    verdict = seen.verdict(case)
    return None if verdict is None else verdict == "uphold"


def _figures(speech: AuditedPart) -> TrueFigures:
    yield from _recall(speech, speech.part, "")
    yield _prevalence(speech, speech.part, "")
    stood = over(sum((one.weight for one in speech.audits), Fraction()), len(speech.passed))
    yield true("I-12", "represented", stood, len(speech.audits), speech.part)


def _recall(speech: AuditedPart, part: Split, label: str) -> TrueFigures:
    weights = speech.weights
    missed = intervals.weighted_total([Weighted(weight, 1, one.counts(label)) for one, weight in weights])
    caught = _caught(speech, label, seconds=False)
    known = bool(weights) and caught.value + missed.value > 0
    value = caught.value / (caught.value + missed.value) if known else None
    interval, n = (_recalled(caught, missed), len(weights)) if known else (None, 0)
    yield true("I-12", "share", value, n, part, interval)
    yield true("I-12", "missed", None if value is None else 1 - value, n, part, turned(interval))


def _recalled(caught: TrueEstimate, missed: TrueEstimate) -> Interval:
    if not caught.value:
        return 0.0, 1.0
    low, high = intervals.ratio(missed, caught)
    return 1 / (1 + high), 1 / (1 + low)


def _prevalence(speech: AuditedPart, part: Split, label: str) -> TrueFigure:
    weights = speech.weights
    if not weights:
        return true("I-13", "share", None, 0, part)
    hits = [one for one in (*speech.audits, *speech.flagged) if one.counts(label)]
    size = intervals.typical(one.speech.samples for one in hits or speech.audits)
    sample = [Weighted(weight, one.speech.samples, one.counts(label)) for one, weight in weights]
    both = intervals.added(intervals.weighted_total(sample, size), _caught(speech, label, seconds=True))
    every = sum(one.samples for one in speech.passed) + sum(one.speech.samples for one in speech.flagged)
    value, low, high = both.times(Fraction(1, every))
    return true("I-13", "share", value, len(weights), part, (low, high))


def _caught(speech: AuditedPart, label: str, *, seconds: bool) -> TrueEstimate:
    """Return the number or the samples of all flagged utterances that break the rules."""

    def size(one: RuledItem) -> int:
        return one.speech.samples if seconds else 1

    sample = [Weighted(weight, size(one), one.counts(label)) for one, weight in speech.review_weights]
    return weighted_share(sample).times(sum(map(size, speech.flagged))) if sample else TrueEstimate(0.0, 0.0, 0.0)
