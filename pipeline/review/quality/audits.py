"""Recall, prevalence and precision, estimated from random samples of speech that moderators judged.

Moderators review all flagged speech, and a random sample of the passed speech: the audits. An audit's weight is 1
divided by the probability with which it was drawn. The weights are scaled so that they add up to the number of passed
utterances in the tallies. So audits that are not decided yet, and time without audits, do not change the estimate.
Flagged speech that is not decided yet counts like the decided speech of its severity.

A case with a corrected label counts for that label. Drills, users' reports and copies do not count.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.database import fields_of
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Window, totals
from pipeline.review.quality.snapshot import FLAGGED, LABEL, OF_FLAG, SNAPSHOT, nearest
from pipeline.review.quality.statistics import (
    Drawn,
    Estimate,
    Interval,
    added,
    clipped,
    divided,
    scaled,
    weighted_share,
    weighted_total,
)
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.case_tables import CHECKS
from pipeline.review.tables.core import FLAGS

Dimension = Literal["language", "model", "policy", "room_type"]
DIMENSIONS: tuple[Dimension, ...] = ("language", "model", "policy", "room_type")


class JudgedSpeech(Struct, frozen=True, kw_only=True):
    """Utterances that have all these fields in common."""

    language: str
    model: str
    policy: str
    room_type: str
    source: str = "words"
    """What led to the flag."""
    count: int
    samples: int
    """16 kHz samples of all of them."""
    squares: int = 0
    """The sum of the squares of their samples."""
    label: str = ""
    verdict: str | None = None
    """`uphold` or `dismiss`. None: not decided."""
    severity: int = 0
    probability: float = 1.0
    """The probability with which each was drawn for an audit. 1: flagged speech, which is all reviewed."""

    @property
    def violating(self) -> bool:
        return self.verdict == "uphold"


class Judged(Struct, frozen=True):
    """The judged speech of a window.

    `passed` counts all passed speech, taken from the tallies. `audits` is the audited sample of it. `flagged` is all
    flagged speech.
    """

    passed: tuple[JudgedSpeech, ...] = ()
    audits: tuple[JudgedSpeech, ...] = ()
    flagged: tuple[JudgedSpeech, ...] = ()

    def part(self, dimension: Dimension, value: str) -> "Judged":
        """Return the speech that has this value, for example the language zh."""
        groups = (self.passed, self.audits, self.flagged)
        return Judged(*(tuple(one for one in group if getattr(one, dimension) == value) for group in groups))

    def values(self, dimension: Dimension) -> list[str]:
        """Return the values of a dimension in this speech, in alphabetical order."""
        return sorted({getattr(one, dimension) for one in (*self.passed, *self.flagged)} - {""})

    def labels(self) -> list[str]:
        """Return the labels of violating speech, in alphabetical order."""
        return sorted({one.label for one in (*self.audits, *self.flagged) if one.violating} - {""})


class Reviewed(Struct, frozen=True):
    """The flagged cases of a window, and the sample of them that got a blind second opinion.

    Both count cases, and not utterances. The label is the one that the machine gave.
    """

    flagged: tuple[JudgedSpeech, ...] = ()
    opinions: tuple[JudgedSpeech, ...] = ()

    def part(self, name: str, value: str) -> "Reviewed":
        """Return the cases of which a field of `JudgedSpeech` has this value."""
        groups = (self.flagged, self.opinions)
        return Reviewed(*(tuple(one for one in group if getattr(one, name) == value) for group in groups))

    def values(self, name: str) -> list[str]:
        """Return the values of a field in these cases, in alphabetical order."""
        return sorted({getattr(one, name) for one in (*self.flagged, *self.opinions)} - {""})


class Recall(Struct, frozen=True):
    """Recall: the share of the utterances that break the rules and were flagged. It is below 1 if any were missed."""

    caught: Estimate
    """Flagged utterances that break the rules. The interval is a point if all flagged speech is decided."""
    missed: Estimate
    """Passed utterances that break the rules."""
    audited: int
    decided: int
    """How many of the audits are decided."""
    found: int
    """How many of the audits break the rules."""

    @property
    def value(self) -> float:
        """The estimated recall, 0 to 1; NaN if nothing was caught or missed."""
        total = self.caught.value + self.missed.value
        return self.caught.value / total if total else math.nan

    @property
    def interval(self) -> Interval:
        """The 95 % interval of `value`."""
        if not self.caught.value:
            return 0.0, 1.0
        low, high = divided(self.missed, self.caught).interval
        # Recall is 1 / (1 + missed / caught), which falls as the ratio rises. So the limits change places.
        return 1 / (1 + high), 1 / (1 + low)


def read_judged(connection: Connection, window: Window) -> Judged:
    """Return the speech of the window with the verdicts of the snapshot, which is taken at the window's end.

    Time before the first tally is left out, because nothing counts the speech that was passed then.
    """
    first = connection.scalar(select(func.min(TALLIES.c.hour)).where(TALLIES.c.measure == "judged"))
    if first is None:
        return Judged()
    window = Window(max(window.since, float(first * HOUR)), window.until)
    return Judged(
        passed=tuple(_passed(connection, window)),
        audits=tuple(_grouped(connection, _audits(window))),
        flagged=tuple(_grouped(connection, _flagged(window))),
    )


def read_reviewed(connection: Connection, window: Window) -> Reviewed:
    """Return the flagged cases of the window with the verdicts of the snapshot, which is taken at the window's end."""
    flagged = _of_cases(literal(1.0)).where(FLAGGED, *within(SNAPSHOT.c.created_at, window))
    drawn = _of_cases(CHECKS.c.probability).join(CHECKS, CHECKS.c.case_id == SNAPSHOT.c.id)
    drawn = drawn.where(CHECKS.c.kind == "second", *within(CHECKS.c.drawn_at, window))
    return Reviewed(
        flagged=tuple(_grouped(connection, flagged)),
        opinions=tuple(_grouped(connection, drawn.where(SNAPSHOT.c.suggestion != "pass"))),
    )


def recall(judged: Judged, label: str = "") -> Recall | None:
    """Return the recall, of all labels or of one. None: no audit is decided, so there is no estimate."""
    weights = _weights(judged)
    if not weights:
        return None
    found = [one for one in judged.audits if _counts(one, label)]
    sample = [_utterances(one, weight) for one, weight in weights.items()]
    missed = weighted_total([_utterances(one, weights[one]) for one in found], sample)
    decided, audited = (sum(one.count for one in speech) for speech in (weights, judged.audits))
    return Recall(_caught(judged, label, _utterances), missed, audited, decided, sum(one.count for one in found))


def prevalence(judged: Judged, label: str = "") -> Estimate | None:
    """Return the share of the speech's seconds that break the rules, or that have one label.

    None: no audit is decided, so there is no estimate.
    """
    weights = _weights(judged)
    if not weights:
        return None
    found = [one for one in judged.audits if _counts(one, label)]
    spread = _spread([one for one in (*found, *judged.flagged) if _counts(one, label)] or judged.audits)
    sample = [_utterances(one, weight) for one, weight in weights.items()]
    missed = weighted_total([_seconds(one, weights[one]) for one in found], sample, spread)
    # Scaled to the passed seconds, so that a few long utterances never stand for more than all passed speech.
    spoken = float(sum(one.samples for one in judged.passed))
    drawn = math.fsum(one.samples * weight for one, weight in weights.items())
    missed = clipped(scaled(missed, spoken / drawn if drawn else 0.0), spoken)
    total = spoken + sum(one.samples for one in judged.flagged)
    return clipped(scaled(added(missed, _caught(judged, label, _seconds)), 1 / total), 1.0)


def precision(reviewed: Reviewed) -> Estimate | None:
    """Return the share of flagged cases that break the rules, from the blind second opinions. None: there is none.

    The weights of the opinions are scaled, so that they add up to the number of flagged cases.
    """
    sample = [one for one in reviewed.opinions if one.verdict]
    if not sample:
        return None
    # Hajek's estimator: the weights are scaled to the known total.
    weights = _scaled(sample, reviewed.flagged)
    hits = [_utterances(one, weight) for one, weight in weights.items() if one.violating]
    return weighted_share(hits, [_utterances(one, weight) for one, weight in weights.items() if not one.violating])


def represented(judged: Judged) -> float | None:
    """Return the share of the passed utterances that the audits stand for. None: no speech was passed.

    It is 1, or a little less by chance. It is far lower if audits were off for a part of the window.
    """
    passed = sum(one.count for one in judged.passed)
    stood_for = math.fsum(one.count / one.probability for one in judged.audits)
    return min(1.0, stood_for / passed) if passed else None


def _counts(one: JudgedSpeech, label: str) -> bool:
    return one.violating and label in {"", one.label}


def _weights(judged: Judged) -> dict[JudgedSpeech, float]:
    """Return the weight of each decided audit; nothing if no speech was passed."""
    return _scaled([one for one in judged.audits if one.verdict and judged.passed], judged.passed)


def _scaled(sample: Sequence[JudgedSpeech], everything: Sequence[JudgedSpeech]) -> dict[JudgedSpeech, float]:
    """Return the weights of a sample, scaled so that they add up to the size of `everything`.

    An item stands for itself at least, even if `everything` counts less at the edges of the window.
    """
    total = math.fsum(one.count / one.probability for one in sample)
    # Hajek: audits that are not decided yet, and hours without audits, change no estimate.
    scale = sum(one.count for one in everything) / total if total else 0.0
    return {one: max(1.0, scale / one.probability) for one in sample}


def _utterances(one: JudgedSpeech, weight: float) -> Drawn:
    return Drawn(count=one.count, weight=weight, size=one.count, squares=one.count)


def _seconds(one: JudgedSpeech, weight: float) -> Drawn:
    return Drawn(count=one.count, weight=weight, size=one.samples, squares=one.squares)


def _caught(judged: Judged, label: str, sized: Callable[[JudgedSpeech, float], Drawn]) -> Estimate:
    """Estimate the size of all flagged speech that breaks the rules, from the part that is decided."""
    weights = _review_weights(judged)
    hits = [sized(one, weight) for one, weight in weights.items() if _counts(one, label)]
    others = [sized(one, weight) for one, weight in weights.items() if not _counts(one, label)]
    if not weights:
        return Estimate(0.0, (0.0, 0.0))
    return scaled(weighted_share(hits, others), sum(sized(one, 1.0).size for one in judged.flagged))


def _review_weights(judged: Judged) -> dict[JudgedSpeech, float]:
    """Return the weight of each decided group of flagged speech: the utterances for which one decided one stands.

    The queue serves the severities in order, so each severity has its own weight. A severity without any decision
    counts like all the others.
    """
    totals: dict[int, int] = {}
    decided: dict[int, int] = {}
    for one in judged.flagged:
        totals[one.severity] = totals.get(one.severity, 0) + one.count
        decided[one.severity] = decided.get(one.severity, 0) + (one.count if one.verdict else 0)
    # Post-stratification by severity.
    known = sum(count for severity, count in totals.items() if decided[severity])
    rest = sum(totals.values()) / known if known else 0.0
    return {one: rest * totals[one.severity] / decided[one.severity] for one in judged.flagged if one.verdict}


def _spread(speech: Sequence[JudgedSpeech]) -> float:
    """Return the sum of the squares of the samples divided by the sum of the samples; 1 without speech."""
    samples = sum(one.samples for one in speech)
    return sum(one.squares for one in speech) / samples if samples else 1.0


def _passed(connection: Connection, window: Window) -> Iterator[JudgedSpeech]:
    for (bucket, *names), total in totals(connection, window, ["judged"], "bucket", *DIMENSIONS).items():
        if bucket in {"pass", "muted"}:
            values: dict[str, Any] = dict(zip(DIMENSIONS, names, strict=True))
            yield JudgedSpeech(**values, count=total.n, samples=total.samples)


def _audits(window: Window) -> Select[Any]:
    query = _of_utterances(CHECKS.c.probability).join(FLAGS, FLAGS.c.case_id == SNAPSHOT.c.id)
    query = query.join(CHECKS, CHECKS.c.case_id == SNAPSHOT.c.id)
    return query.where(CHECKS.c.kind == "audit", *within(CHECKS.c.drawn_at, window))


def _flagged(window: Window) -> Select[Any]:
    """Select each flagged utterance once, also if a flag of it was withheld and then released."""
    query = _of_utterances(literal(1.0)).join(FLAGS, OF_FLAG)
    query = query.where(~FLAGS.c.linked, FLAGS.c.source == "words", FLAGGED, *within(SNAPSHOT.c.created_at, window))
    each = query.add_columns(SNAPSHOT.c.id, FLAGS.c.utterance).distinct().subquery().c
    return select(*(column for column in each if column.name not in {"id", "utterance"}))


def _of_utterances(probability: ColumnElement[float]) -> Select[Any]:
    # Whole samples, as the tallies count them.
    samples = _sample(FLAGS.c.end) - _sample(FLAGS.c.start)
    return _select(probability, FLAGS.c.model, LABEL, samples)


def _of_cases(probability: ColumnElement[float]) -> Select[Any]:
    return _select(probability, literal(""), SNAPSHOT.c.label, literal(0))


def _select(
    probability: ColumnElement[float],
    model: ColumnElement[str],
    label: ColumnElement[str],
    samples: ColumnElement[int],
) -> Select[Any]:
    """Select the fields of `JudgedSpeech` from SNAPSHOT."""
    names = ("language", "policy", "room_type", "source", "severity", "verdict")
    fields: list[ColumnElement[Any]] = [SNAPSHOT.c[name] for name in names]
    fields += [probability.label("probability"), model.label("model"), label.label("label"), samples.label("samples")]
    return select(*fields).select_from(SNAPSHOT)


def _grouped(connection: Connection, query: Select[Any]) -> Iterator[JudgedSpeech]:
    """Yield the rows of a query in groups of equal fields."""
    each = query.subquery().c
    keys = [column for column in each if column.name != "samples"]
    sums = {"count": func.count(), "samples": func.sum(each.samples), "squares": func.sum(each.samples * each.samples)}
    named = [total.label(name) for name, total in sums.items()]
    for row in connection.execute(select(*keys, *named).group_by(*keys).order_by(*keys)):
        fields = fields_of(row)
        yield JudgedSpeech(**fields | {name: int(fields[name]) for name in sums})


def within(at: ColumnElement[float], window: Window) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a time lies in the window."""
    return at >= window.since, at < window.until


def _sample(at: ColumnElement[float]) -> ColumnElement[int]:
    return nearest(at * SAMPLE_RATE)
