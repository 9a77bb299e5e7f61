"""How much speech is monitored, lost or hard to hear: I-01 to I-04, and I-32."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from pipeline.assessment.catalogue import figure, quotient
from pipeline.assessment.indicators.changes import register_waits, registered_entries
from pipeline.assessment.options import Options
from pipeline.contract.messages import SAMPLE_RATE, UNDETERMINED
from pipeline.review.delivery.speech_tallies import HOUR, Measure
from pipeline.review.quality.figure import Figure, Total, Totals, Window, hours, split, summed, totals
from pipeline.review.tables.assessment_tables import ROOM_HOURS, TALLIES

LANGUAGE = "language"
"""The reason of a skipped utterance that is in a language that the settings do not name."""

STATES: tuple[Measure, ...] = ("segmented", "monitored", "skipped", "failed")


def room_coverage(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-01, from the app's ledger and the rooms that spoke. One row of the ledger is one hour and type of room."""
    del options
    heard = totals(connection, window, ["rooms"], "hour", "room_type")
    ledger = room_ledger(connection, window)
    spoken = {key[0] for key in heard}
    listed = {row.hour for row in ledger}
    if not ledger:
        yield figure("I-01", "share", None, 0, unmeasured="needs_ledger")
        yield figure("I-01", "hours", None, len(spoken), unmeasured="needs_ledger")
        return
    whole = spoken <= listed  # else the ledger lacks hours with speech
    for kind in (None, *sorted({row.room_type for row in ledger})):
        rows = [row for row in ledger if kind in {None, row.room_type}]
        yield _covered(rows, heard, {} if kind is None else {"room_type": kind}, whole)
    yield quotient("I-01", "hours", len(spoken & listed), len(spoken), len(spoken))


def speech_coverage(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-02, in voiced seconds."""
    del options
    found = totals(connection, window, ["segmented", "monitored"], "measure", "room_type")
    for part, speech in split(found, room_type=1):
        segmented, monitored = summed(speech, "segmented"), summed(speech, "monitored")
        yield quotient("I-02", "share", monitored.samples, segmented.samples, segmented.n, part)
        yield _seconds("speech", segmented, part)
        yield _seconds("monitored", monitored, part)
    yield from _verified(totals(connection, window, ["identity"], "bucket", "room_type"))


def loss(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-03: the share of utterances without a flag."""
    earlier = settled(window, options)  # speech on its way would count as lost
    whole = _begun(connection, earlier)
    found = totals(connection, earlier, STATES, "measure", "bucket", "room_type")
    for part, speech in split(found, room_type=2):
        segmented = summed(speech, "segmented").n
        yield from _lost(segmented, segmented - summed(speech, "monitored").n, part, whole)
    segmented, reasons = summed(found, "segmented").n, _reasons(found)
    for reason in sorted(reasons):
        yield from _lost(segmented, reasons[reason], {"reason": reason}, whole)


def hard_to_hear(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-04, in voiced seconds of speech that was monitored, or not transcribed because of its language."""
    heard = totals(connection, window, ["confidence"], "bucket", "language", "room_type")
    skipped = totals(connection, window, ["skipped"], "bucket", "language", "room_type")
    # The buckets of `confidence` are numbers, so LANGUAGE is no key of both.
    found = {**heard, **{key: total for key, total in skipped.items() if key[0] == LANGUAGE}}
    limit, moderated = round(options.low_confidence * 10), options.languages | {UNDETERMINED}
    for part, speech in split(found, language=1, room_type=2):
        # Compared as whole tenths: 0.3 * 10 is not exactly 3.
        low = {key for key in speech if key[0] != LANGUAGE and round(float(key[0]) * 10) < limit}
        other = {key for key in speech if key[0] == LANGUAGE or key[1] not in moderated}
        total = summed(speech)
        for name, keys in (("share", low | other), ("low_confidence", low), ("other_language", other)):
            samples = sum(speech[key].samples for key in keys)  # `low | other` counts speech that is both once
            yield quotient("I-04", name, samples, total.samples, total.n, part)
    yield from _other_languages(found, options)


def _other_languages(found: Totals, options: Options) -> Iterator[Figure]:
    """Yield the share of each language that is not moderated in all speech."""
    whole = summed(found)
    for part, speech in split(found, language=1):
        if part and part["language"] not in options.languages | {UNDETERMINED}:
            yield quotient("I-04", "spoken", summed(speech).samples, whole.samples, whole.n, part)


def stability(connection: Connection, window: Window, options: Options) -> Iterator[Figure]:
    """I-32: stable hours from the tallies, incidents and restore tests from the register."""
    earlier = settled(window, options)
    found = totals(connection, earlier, ["segmented", "monitored"], "hour", "measure")
    spoken = {key[0]: total.n for key, total in found.items() if key[1] == "segmented"}
    other = totals(connection, earlier, ["skipped"], "bucket", "hour")
    # The recogniser worked on speech in another language, and on speech without words, so these are no loss.
    heard = {hour: sum(other.get((reason, hour), Total()).n for reason in (LANGUAGE, "no_words")) for hour in spoken}
    kept = {hour: found.get((hour, "monitored"), Total()).n + heard[hour] for hour in spoken}
    stable = sum(count - kept[hour] <= options.stable_loss * count for hour, count in spoken.items())
    whole = _begun(connection, earlier)
    yield quotient("I-32", "share", stable, len(spoken), len(spoken), whole=whole)
    yield from _registered(connection, window)


def settled(window: Window, options: Options) -> Window:
    """Return the window moved back so far that no message about its speech is on a topic at the end of `window`."""
    return Window(window.since - options.settled, window.until - options.settled)


def room_ledger(connection: Connection, window: Window) -> Sequence[Row[Any]]:
    """Return the rows of the app's ledger for the hours that begin in the window."""
    within = hours(window)
    query = select(ROOM_HOURS).where(ROOM_HOURS.c.hour >= within.start, ROOM_HOURS.c.hour < within.stop)
    return connection.execute(query.where(ROOM_HOURS.c.rooms > 0)).all()


def _covered(rows: Sequence[Row[Any]], heard: Totals, part: dict[str, str], whole: bool) -> Figure:
    """Return the coverage of these rows of the ledger."""
    # fsum is exact, so the order of the rows changes nothing. More rooms with speech than the ledger has count as all.
    covered = math.fsum(
        row.seconds * min(1.0, heard.get((row.hour, row.room_type), Total()).n / row.rooms) for row in rows
    )
    seconds = math.fsum(row.seconds for row in rows)
    return quotient("I-01", "share", covered, seconds, sum(row.rooms for row in rows), part, whole=whole)


def _seconds(key: str, total: Total, part: dict[str, str]) -> Figure:
    return figure("I-02", key, total.samples / SAMPLE_RATE if total.n else None, total.n, part)


def _verified(found: Totals) -> Iterator[Figure]:
    """Yield the share of speech of verified speakers. Speech without the app's word on it counts as not verified."""
    for part, speech in split(found, room_type=1):
        yes, total = summed(speech, "yes"), summed(speech)
        if summed(speech, "unknown").n == total.n:
            yield figure("I-02", "verified", None, total.n, part, "not_recorded" if total.n else "no_data")
        else:
            yield quotient("I-02", "verified", yes.samples, total.samples, total.n, part)


def _begun(connection: Connection, window: Window) -> bool:
    """Tell whether speech was counted before the window already, so that the data cover all of it."""
    before = (TALLIES.c.measure == "segmented", TALLIES.c.hour <= int(window.since // HOUR))
    return connection.scalar(select(TALLIES.c.hour).where(*before).limit(1)) is not None


def _lost(segmented: int, lost: int, part: dict[str, str], whole: bool) -> Iterator[Figure]:
    yield quotient("I-03", "share", lost, segmented, segmented, part, whole=whole)
    yield figure("I-03", "utterances", lost if segmented else None, segmented, part, whole=whole)


def _reasons(found: Totals) -> Mapping[str, int]:
    """Return the number of utterances without a flag, by reason."""
    reasons: dict[str, int] = defaultdict(int)
    for (measure, bucket, _), total in found.items():
        if measure in {"skipped", "failed"} and total.n:  # a row of 0 is left from utterances that got a flag later
            reasons[bucket] += total.n
    lost = summed(found, "segmented").n - summed(found, "monitored").n
    return {"lost": lost - sum(reasons.values()), **reasons}


def _registered(connection: Connection, window: Window) -> Iterator[Figure]:
    """Yield the figures of incidents and restore tests. An empty register says nothing, so then they have no value."""
    incidents, reason = registered_entries(connection, window, "incident")
    tests, _ = registered_entries(connection, window, "restore_test")
    n, recovery = len(incidents), register_waits(incidents, window.until)
    yield figure("I-32", "incidents", None if reason == "needs_register" else n, n, unmeasured=reason)
    for key, share in (("recovery_p50", 0.5), ("recovery_max", 1.0)):
        yield figure("I-32", key, recovery.quantile(share), n, unmeasured="censored" if n else reason)
    passed = sum(row.fields.get("result") == "passed" for row in tests)
    yield figure("I-32", "restored", passed / len(tests) if tests else None, len(tests), unmeasured=reason)
