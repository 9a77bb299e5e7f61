"""How much speech is monitored, lost or hard to hear, and how fast it is flagged: I-01 to I-05, and I-32."""

import math
from collections import Counter
from collections.abc import Collection, Iterable
from fractions import Fraction

from benchmarks.assessment.facts import HOUR, WorldSpeech
from benchmarks.assessment.truth.figures import Split, TrueFigures, attribute, by, over, parts, true
from benchmarks.assessment.truth.seen import SeenWindow
from benchmarks.assessment.truth.waits import Wait, quantile

CLASSES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, math.inf)
"""Upper limits of the classes in which detection delays are counted, in seconds."""


def room_coverage(seen: SeenWindow) -> TrueFigures:
    """I-01. It is an estimate for the hours of the ledger, so hours with speech and without a ledger are missing."""
    speech = seen.speech
    heard = Counter((hour, kind) for hour, kind, _ in {(one.hour, one.room_type, one.room) for one in speech})
    lines = [one for one in seen.history.ledger if seen.contains(one.hour * HOUR) and one.rooms]
    hours, listed = {one.hour for one in speech}, {line.hour for line in lines}
    for part, of_part in parts(lines, room_type=lambda line: line.room_type):
        covered = [
            Fraction(line.seconds) * min(Fraction(1), Fraction(heard[line.hour, line.room_type], line.rooms))
            for line in of_part
        ]
        total = sum((Fraction(line.seconds) for line in of_part), Fraction())
        n, whole = sum(line.rooms for line in of_part), not lines or hours <= listed
        yield true("I-01", "share", over(sum(covered), total), n, part, whole=whole)
    yield true("I-01", "hours", over(len(hours & listed), len(hours)) if lines else None, len(hours))


def speech_coverage(seen: SeenWindow) -> TrueFigures:
    """I-02."""
    kind = attribute("room_type")
    for part, speech in parts(seen.speech, room_type=kind):
        monitored = [one for one in speech if one.monitored]
        yield true("I-02", "share", over(samples(monitored), samples(speech)), len(speech), part)
        for key, found in (("speech", speech), ("monitored", monitored)):
            yield true("I-02", key, Fraction(samples(found), 16_000) if found else None, len(found), part)
    for part, speech in parts(seen.monitored, room_type=kind):
        verified = samples(one for one in speech if one.verified)
        known = any(one.verified is not None for one in speech)
        yield true("I-02", "verified", over(verified, samples(speech)) if known else None, len(speech), part)


def loss(seen: SeenWindow) -> TrueFigures:
    """I-03, in the window moved back until all its speech has a final state."""
    earlier = seen.moved(-seen.rules.settled)
    speech, whole = earlier.speech, seen.begun <= earlier.since
    for part, found in parts(speech, room_type=attribute("room_type")):
        yield from _lost(sum(not one.monitored for one in found), len(found), part, whole)
    reasons = Counter(one.told[1] or "lost" for one in speech if not one.monitored)
    for reason, count in {"lost": 0, **reasons}.items():
        yield from _lost(count, len(speech), (("reason", reason),), whole)


def _lost(count: int, n: int, part: Split, whole: bool) -> TrueFigures:
    yield true("I-03", "share", over(count, n), n, part, whole=whole)
    yield true("I-03", "utterances", count if n else None, n, part, whole=whole)


def hard_to_hear(seen: SeenWindow) -> TrueFigures:
    """I-04."""
    limit = seen.rules.low_confidence
    for part, speech in parts(seen.monitored, language=attribute("language"), room_type=attribute("room_type")):
        low = [one for one in speech if one.confidence < limit]
        other = [one for one in speech if one.language not in seen.rules.languages]
        both = [*low, *(one for one in other if one.confidence >= limit)]
        for key, found in (("share", both), ("low_confidence", low), ("other_language", other)):
            yield true("I-04", key, over(samples(found), samples(speech)), len(speech), part)
    for language, spoken in by(seen.monitored, attribute("language")).items():
        if language not in seen.rules.languages:
            share = over(samples(spoken), samples(seen.monitored))
            yield true("I-04", "spoken", share, len(seen.monitored), (("language", language),))


def detection(seen: SeenWindow) -> TrueFigures:
    """I-05."""
    flags = [one for one in seen.monitored if one.suggestion != "pass"]
    names = ("room_type", "language", "policy", "model")
    for part, found in parts(flags, **{name: attribute(name) for name in names}):
        for key, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            yield true("I-05", key, class_quantile(delays(found), share), len(found), part)


def stability(seen: SeenWindow) -> TrueFigures:
    """I-32: stable hours, incidents and restore tests."""
    earlier, most = seen.moved(-seen.rules.settled), seen.rules.stable_loss
    hours = by(earlier.speech, lambda one: one.hour)
    stable = [found for found in hours.values() if sum(not one.monitored for one in found) <= most * len(found)]
    whole = seen.begun <= earlier.since
    yield true("I-32", "share", over(len(stable), len(hours)), len(hours), whole=whole)
    incidents, tests = seen.entries("incident"), seen.entries("restore_test")
    yield true("I-32", "incidents", len(incidents) if seen.registered else None, len(incidents))
    waits = [Wait.of(one.opened, one.closed, seen.until) for one in incidents]
    for key, share in (("recovery_p50", 0.5), ("recovery_max", 1.0)):
        yield true("I-32", key, quantile(waits, share), len(waits))
    passed = sum(one.fields.get("result") == "passed" for one in tests)
    yield true("I-32", "restored", over(passed, len(tests)), len(tests))


def samples(speech: Iterable[WorldSpeech]) -> int:
    """Return the length of utterances at 16 kHz."""
    return sum(one.samples for one in speech)


def delays(flags: Iterable[WorldSpeech]) -> list[float]:
    """Return the upper limits of the classes of the delays of flags."""
    return [
        next(limit for limit in CLASSES if one.stored - one.end <= limit) for one in flags if one.stored is not None
    ]


def class_quantile(limits: Collection[float], share: float) -> float | None:
    """Return a quantile of delays that are known by class, linear inside the class."""
    counts, below = Counter(limits), 0
    for lower, upper in zip((0.0, *CLASSES), CLASSES, strict=False):
        if counts[upper] and below + counts[upper] >= share * len(limits):
            inside = (share * len(limits) - below) / counts[upper]
            return None if upper == math.inf else lower + (upper - lower) * inside
        below += counts[upper]
    return None
