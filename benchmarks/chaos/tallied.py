"""Compares the tallies in the store with a count of the messages on the broker."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import func, select

from benchmarks.chaos.records import messages
from pipeline.contract.messages import Flag, SpeechStatus, sample_of
from pipeline.contract.topology import FLAGS, SPEECH
from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.settings import Settings

Line = tuple[str, str, int, int, int]
"""Measure, bucket, hour, count, samples."""

MEASURES = ("segmented", "monitored", "judged")


def miscounted(settings: Settings) -> list[str]:
    """Each line in which the tallies and the messages differ, in words."""
    flags, statuses = messages(FLAGS, Flag, settings), messages(SPEECH, SpeechStatus, settings)
    return differences(counted(flags, statuses), tallied(settings))


def counted(flags: Iterable[Flag], statuses: Iterable[SpeechStatus]) -> set[Line]:
    """The counts that the messages give, each utterance and each flag once."""
    judged = {flag.id: flag for flag in flags if not flag.early}
    monitored = {flag.utterance: flag for flag in judged.values()}
    segmented = {status.utterance: status for status in statuses} | monitored
    places: Counter[tuple[str, str, int]] = Counter()
    samples: Counter[tuple[str, str, int]] = Counter()
    for measure, found in (("segmented", segmented), ("monitored", monitored), ("judged", judged)):
        for message in found.values():
            bucket = message.suggestion if measure == "judged" and isinstance(message, Flag) else ""
            place = measure, bucket, int(message.start) // HOUR
            places[place] += 1
            samples[place] += sample_of(message.end) - sample_of(message.start)
    return {(*place, count, samples[place]) for place, count in places.items()}


def tallied(settings: Settings) -> set[Line]:
    """The same counts in the store."""
    columns = (TALLIES.c.measure, TALLIES.c.bucket, TALLIES.c.hour)
    sums = (func.sum(TALLIES.c["count"]), func.sum(TALLIES.c.samples))
    query = select(*columns, *sums).where(TALLIES.c.measure.in_(MEASURES)).group_by(*columns)
    database = Database(settings.database_url)
    try:
        with database.read() as connection:
            return {(m, b, h, int(n), int(s)) for m, b, h, n, s in connection.execute(query)}
    finally:
        database.close()


def differences(counted: set[Line], tallied: set[Line]) -> list[str]:
    """Describe each line that only one side has."""
    sides = (("only on the broker", counted - tallied), ("only in the store", tallied - counted))
    return [f"{side}: {line}" for side, lines in sides for line in sorted(lines)]
