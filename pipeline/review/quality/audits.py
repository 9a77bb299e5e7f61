"""Recall, prevalence and precision, estimated from random samples of speech that moderators judged.

Moderators review all flagged speech, and a random sample of the passed speech: the audits. An audit's weight is 1
divided by the probability with which it was drawn. The weights are scaled so that they add up to the number of passed
utterances in the tallies. So audits that are not decided yet, and time without audits, do not change the estimate.
Flagged speech that is not decided yet counts like the decided speech of its severity.

People err. With 1 % wrong decisions, most upheld audits are harmless speech, because violations are rare. So each
upheld audit gets a second opinion, and a third if the two differ. Then the verdict of two people counts, and the speech
that two uphold wrongly is estimated and subtracted (`review_errors.py`). Until then, one person's verdict counts.

A case with a corrected label counts for that label. Drills, users' reports and copies do not count.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.database import json_key
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality import review_errors
from pipeline.review.quality.figure import Window, totals
from pipeline.review.quality.review_errors import ReviewErrors
from pipeline.review.quality.snapshot import FLAGGED, OF_FLAG, SNAPSHOT, UPHELD, nearest
from pipeline.review.quality.statistics import (
    Drawn,
    Estimate,
    Interval,
    Share,
    Z,
    added,
    clipped,
    combined,
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
OF_CASE = ("language", "policy", "room_type", "source", "severity")
"""Fields of `JudgedSpeech` that are columns of SNAPSHOT."""
Columns = ReadOnlyColumnCollection[str, ColumnElement[Any]]
REACH = 0.05
"""`needed` tells how many audits give recall an interval of this much on either side."""


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
    settled: str | None = None
    """The verdict of two of three people on an upheld audit. None: no second opinion yet, or no third one."""
    severity: int = 0
    probability: float = 1.0
    """The probability with which each was drawn for an audit. 1: flagged speech, which is all reviewed."""

    @property
    def violating(self) -> bool:
        return self.verdict == "uphold"


class Judged(Struct, frozen=True):
    """The judged speech of a window.

    `passed` counts all passed speech, taken from the tallies. `audits` is the audited sample of it. `flagged` is all
    flagged speech. `errors` are those of the decisions on flagged speech.
    """

    passed: tuple[JudgedSpeech, ...] = ()
    audits: tuple[JudgedSpeech, ...] = ()
    flagged: tuple[JudgedSpeech, ...] = ()
    errors: ReviewErrors = ReviewErrors()

    @property
    def reviewed(self) -> bool:
        """Whether upheld audits have got their second opinion; also if no audit is upheld."""
        upheld = [one for one in self.audits if one.violating]
        return not upheld or any(one.settled for one in upheld)

    @property
    def found(self) -> tuple[JudgedSpeech, ...]:
        """The audits that break the rules: those that two people upheld, or one person if `reviewed` is false."""
        return tuple(one for one in self.audits if one.violating and (one.settled == "uphold" or not self.reviewed))

    @property
    def waiting(self) -> float:
        """The number of upheld audits divided by those among them that two people decided; at least 1."""
        upheld = [one for one in self.audits if one.violating]
        done = sum(one.count for one in upheld if one.settled)
        return sum(one.count for one in upheld) / done if done else 1.0

    @property
    def corrected(self) -> bool:
        """Whether the figures take account of the reviewers' errors."""
        return self.reviewed and self.errors.known

    def part(self, dimension: Dimension, value: str) -> "Judged":
        """Return the speech that has this value, for example the language zh."""
        groups = {"passed": self.passed, "audits": self.audits, "flagged": self.flagged}
        chosen = {
            name: tuple(one for one in group if getattr(one, dimension) == value) for name, group in groups.items()
        }
        return replace(self, **chosen)

    def values(self, dimension: Dimension) -> list[str]:
        """Return the values of a dimension in this speech, in alphabetical order."""
        return sorted({getattr(one, dimension) for one in (*self.passed, *self.flagged)} - {""})

    def labels(self) -> list[str]:
        """Return the labels of violating speech, in alphabetical order."""
        return sorted({one.label for one in (*self.found, *self.flagged) if one.violating} - {""})


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
    """Recall: the share of the utterances that break the rules and were flagged.

    Violations that reviewers dismiss are left out of both numbers, so that the quotient stays right.
    """

    caught: Estimate
    """Flagged utterances that break the rules. The interval is a point if all flagged speech is decided by people who
    do not err."""
    missed: Estimate
    """Passed utterances that break the rules."""
    corrected: bool
    """Whether the reviewers' errors are subtracted, and inside the intervals."""
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
    def at_least(self) -> bool:
        """Whether the audits show no missed violation. Then only the lower limit of the interval says something."""
        return bool(self.caught.value) and not self.missed.value

    @property
    def interval(self) -> Interval:
        """The 95 % interval of `value`."""
        if not self.caught.value:
            return 0.0, 1.0
        low, high = divided(self.missed, self.caught).interval
        # Recall is 1 / (1 + missed / caught), which falls as the ratio rises. So the limits change places.
        # `min` and `max`, because the rounding differs from that of `value`.
        return min(1 / (1 + high), self.value), max(1 / (1 + low), self.value)


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
        errors=review_errors.read(connection, window),
    )


def read_reviewed(connection: Connection, window: Window) -> Reviewed:
    """Return the flagged cases of the window with the verdicts of the snapshot, which is taken at the window's end."""
    flagged = _of_cases(literal(1.0)).where(FLAGGED, *within(SNAPSHOT.c.created_at, window))
    # If the second opinion differed, the third one decides.
    decided = func.coalesce(review_errors.opinion("third", original=CHECKS.c.original), SNAPSHOT.c.verdict)
    drawn = _of_cases(CHECKS.c.probability, decided).select_from(SNAPSHOT)
    drawn = drawn.join(CHECKS, CHECKS.c.case_id == SNAPSHOT.c.id)
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
    missed = _missed(judged, label, weights, _utterances, float(sum(one.count for one in judged.passed)))
    decided, audited = (sum(one.count for one in speech) for speech in (weights, judged.audits))
    found = sum(one.count for one in judged.found if _counts(one, label))
    return Recall(_caught(judged, label, _utterances), missed, judged.corrected, audited, decided, found)


def needed(judged: Judged) -> float | None:
    """Return how many decided audits give recall an interval of REACH on either side, whatever the recall is.

    None: nobody has upheld flagged speech yet, or no speech was passed.
    """
    caught, passed = _caught(judged, "", _utterances).value, sum(one.count for one in judged.passed)
    if not caught or not passed:
        return None
    # With m missed violations, n audits find n m / passed, a Poisson count. By the delta method, the variance of the
    # recall r = caught / (caught + m) is then r³ (1 - r) passed / (caught n). It is largest at r = 3/4.
    return math.ceil((Z / REACH) ** 2 * 27 / 256 * passed / caught)


def prevalence(judged: Judged, label: str = "") -> Estimate | None:
    """Return the share of the speech's seconds that break the rules, or that have one label.

    None: no audit is decided, so there is no estimate.
    """
    weights = _weights(judged)
    if not weights:
        return None
    spread = _spread([one for one in (*judged.found, *judged.flagged) if _counts(one, label)] or judged.audits)
    spoken = float(sum(one.samples for one in judged.passed))
    missed = _missed(judged, label, weights, _seconds, spoken, spread)
    found = added(missed, _caught(judged, label, _seconds, spread))
    if judged.corrected:  # people also dismiss violations
        found = combined(lambda size, dismissed: size / (1 - dismissed), found, _estimate(judged.errors.violating))
    return clipped(scaled(found, 1 / (spoken + sum(one.samples for one in judged.flagged))), 1.0)


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


def _missed(
    judged: Judged,
    label: str,
    weights: Mapping[JudgedSpeech, float],
    sized: Callable[[JudgedSpeech, float], Drawn],
    passed: float,
    spread: float = 1.0,
) -> Estimate:
    """Estimate the size of all passed speech that breaks the rules. `passed` is the size of all passed speech."""
    found = [sized(one, weights[one]) for one in judged.found if _counts(one, label)]
    missed = weighted_total(found, [_utterances(one, weight) for one, weight in weights.items()], spread)
    # Scaled to all passed speech, so that a few long utterances never stand for more than that.
    drawn = math.fsum(sized(one, weight).size * weight for one, weight in weights.items())
    missed = scaled(missed, judged.waiting * passed / drawn if drawn else 0.0)
    if judged.reviewed:
        wrong = _twice_wrong(judged, label, weights)
        missed = combined(lambda upheld, share: upheld - passed * share, missed, wrong)
        dismissed = max(0.0, missed.value) * judged.errors.violating.value if judged.corrected else 0.0
        missed = added(missed, _chance(spread * (passed * wrong.value + dismissed)))
    return clipped(missed, passed)


def _twice_wrong(judged: Judged, label: str, weights: Mapping[JudgedSpeech, float]) -> Estimate:
    """Estimate the share of passed speech that two of three people would uphold although it is harmless."""
    disputed = [one for one in judged.audits if one.violating and one.settled == "dismiss"]
    decided = sum(one.count for one in weights) / judged.waiting
    of_label = sum(one.count for one in disputed if _counts(one, label))
    return review_errors.twice_wrong(Share(sum(one.count for one in disputed), round(decided)), of_label)


def _chance(variance: float) -> Estimate:
    """Return how far the number of wrong decisions of a window may be from the expected one."""
    reach = Z * math.sqrt(max(0.0, variance))
    return Estimate(0.0, (-reach, reach))


def _estimate(share: Share) -> Estimate:
    return Estimate(share.value, share.interval)


def _utterances(one: JudgedSpeech, weight: float) -> Drawn:
    return Drawn(count=one.count, weight=weight, size=one.count, squares=one.count)


def _seconds(one: JudgedSpeech, weight: float) -> Drawn:
    return Drawn(count=one.count, weight=weight, size=one.samples, squares=one.squares)


def _caught(judged: Judged, label: str, sized: Callable[[JudgedSpeech, float], Drawn], spread: float = 1.0) -> Estimate:
    """Estimate the size of all flagged speech that breaks the rules, from the part that is decided."""
    weights = _review_weights(judged)
    hits = [sized(one, weight) for one, weight in weights.items() if _counts(one, label)]
    others = [sized(one, weight) for one, weight in weights.items() if not _counts(one, label)]
    if not weights:
        return Estimate(0.0, (0.0, 0.0))
    flagged = sum(sized(one, 1.0).size for one in judged.flagged)
    caught = scaled(weighted_share(hits, others), flagged)
    upheld = math.fsum(one.count * weight for one, weight in weights.items() if one.violating)
    if judged.corrected and upheld:
        upheld /= math.fsum(one.count * weight for one, weight in weights.items())

        def right(part: float, wrong: float) -> float:
            """Subtract the harmless speech that people uphold (Rogan and Gladen)."""
            return part * max(0.0, upheld - wrong) / (1 - wrong) / upheld

        caught = combined(right, caught, _estimate(judged.errors.harmless))
        wrong, dismissed = (
            share.value * (1 - share.value) for share in (judged.errors.harmless, judged.errors.violating)
        )
        chance = _chance(spread * (caught.value * dismissed + max(0.0, flagged - caught.value) * wrong))
        caught = clipped(added(caught, chance), flagged)
    return caught


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
    query = _of_utterances(SNAPSHOT.c, FLAGS.c, CHECKS.c.probability).select_from(SNAPSHOT)
    query = query.join(FLAGS, FLAGS.c.case_id == SNAPSHOT.c.id).join(CHECKS, CHECKS.c.case_id == SNAPSHOT.c.id)
    settled = case((UPHELD, review_errors.settled()))
    return query.add_columns(settled.label("settled")).where(
        CHECKS.c.kind == "audit", *within(CHECKS.c.drawn_at, window)
    )


def _flagged(window: Window) -> Select[Any]:
    """Select each flagged utterance once, also if a flag of it was withheld and then released."""
    columns = [SNAPSHOT.c.number, FLAGS.c.utterance, FLAGS.c.model, FLAGS.c.start, FLAGS.c.end]
    # GROUP BY and not DISTINCT: SQLite sorts the groups, but looks up each distinct row at random. The columns of the
    # case are joined later, so that the sorted rows are short.
    query = select(*columns).select_from(SNAPSHOT).join(FLAGS, OF_FLAG).group_by(*columns)
    words = (~FLAGS.c.linked, FLAGS.c.source == "words", FLAGGED, *within(SNAPSHOT.c.created_at, window))
    each = query.where(*words).subquery()
    of_case = SNAPSHOT.c.number == each.c.number
    return _of_utterances(SNAPSHOT.c, each.c, literal(1.0)).select_from(each.join(SNAPSHOT, of_case))


def _of_utterances(case_: Columns, flag: Columns, probability: ColumnElement[float]) -> Select[Any]:
    # Whole samples, as the tallies count them.
    samples = _sample(flag.end) - _sample(flag.start)
    return _select(case_, probability, flag.model, func.coalesce(case_.corrected, case_.label), samples, case_.verdict)


def _of_cases(probability: ColumnElement[float], verdict: ColumnElement[Any] = SNAPSHOT.c.verdict) -> Select[Any]:
    return _select(SNAPSHOT.c, probability, literal(""), SNAPSHOT.c.label, literal(0), verdict)


def _select(
    case_: Columns,
    probability: ColumnElement[float],
    model: ColumnElement[str],
    label: ColumnElement[str],
    samples: ColumnElement[int],
    verdict: ColumnElement[Any],
) -> Select[Any]:
    """Select the fields of `JudgedSpeech`."""
    fields: list[ColumnElement[Any]] = [*(case_[name] for name in OF_CASE), verdict.label("verdict")]
    fields += [probability.label("probability"), model.label("model"), label.label("label"), samples.label("samples")]
    return select(*fields)


def _grouped(connection: Connection, query: Select[Any]) -> Iterator[JudgedSpeech]:
    """Yield the rows of a query in groups of equal fields."""
    each = query.subquery().c
    names = [column.name for column in each if column.name not in {"probability", "samples"}]
    key, probability = json_key(connection, *(each[name] for name in names)), each.probability
    sums = (func.count(), func.sum(each.samples), func.sum(each.samples * each.samples))
    rows = select(key, probability, *sums).group_by(key, probability).order_by(key, probability)
    for values, drawn, *found in connection.execute(rows):
        fields = dict(zip(names, msgspec.json.decode(values), strict=True))
        count, samples, squares = map(int, found)
        yield JudgedSpeech(**fields, probability=drawn, count=count, samples=samples, squares=squares)


def within(at: ColumnElement[float], window: Window) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a time lies in the window."""
    return at >= window.since, at < window.until


def _sample(at: ColumnElement[float]) -> ColumnElement[int]:
    return nearest(at * SAMPLE_RATE)
