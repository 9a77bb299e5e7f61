"""What the broker and the store have after a run, and how far the workers are."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from kafka import TopicPartition
from sqlalchemy import Table, select

from agents.kafka import reader, topic_name
from agents.lag import Lag
from benchmarks.chaos.marks import FRAME_BYTES, FRAME_SECONDS, number_of
from benchmarks.chaos.verdict import Stored
from benchmarks.speech import Span, Voice
from pipeline.errors import BadMessage
from pipeline.events import decode
from pipeline.messages import AudioChunk
from pipeline.review.database import Database
from pipeline.review.schema import CASES, FLAGS
from pipeline.settings import Settings
from pipeline.topology import AUDIO, DEAD_LETTERS, STAGES, Stage, Topic


def records(topic: Topic, settings: Settings) -> Iterator[Any]:
    """All that `topic` holds now, partition by partition."""
    consumer = reader(settings.kafka)
    name = topic_name(topic, settings.kafka)
    places = [TopicPartition(name, number) for number in sorted(consumer.partitions_for_topic(name))]
    for place, end in consumer.end_offsets(places).items():
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        while consumer.position(place) < end:
            for found in consumer.poll(500).values():
                yield from found
    consumer.close()


def heard(settings: Settings) -> tuple[dict[Voice, dict[int, list[float]]], int]:
    """Where each frame lies in the log, and how many bytes there are none of the frames that were sent."""
    places: dict[Voice, dict[int, list[float]]] = {}
    foreign = 0
    for record in records(AUDIO, settings):
        try:
            chunk = decode(AudioChunk, record.value, record.headers)
        except BadMessage:
            continue  # what we malformed: the dead letters have it
        voice = (chunk.room, chunk.speaker)
        for place, at in enumerate(range(0, len(chunk.data), FRAME_BYTES)):
            frame = chunk.data[at : at + FRAME_BYTES]
            number = number_of(voice, frame) if len(frame) == FRAME_BYTES else None
            if number is None:
                foreign += len(frame)
            else:
                start = chunk.start + place * FRAME_SECONDS
                places.setdefault(voice, {}).setdefault(number, []).append(start)
    return places, foreign


def dead_letters(settings: Settings) -> tuple[set[bytes], int]:
    """The values of the bad records; and how many came twice, since a worker died before it acknowledged the source."""
    sources: Counter[str] = Counter()
    values = set()
    for record in records(DEAD_LETTERS, settings):
        headers = {key: (value or b"").decode(errors="replace") for key, value in record.headers}
        sources["/".join(headers.get(f"voxwarden-{key}", "") for key in ("topic", "partition", "offset"))] += 1
        values.add(record.value)
    return values, sources.total() - len(sources)


def stored(settings: Settings) -> Stored:
    database = Database(settings.database_url)
    try:
        return Stored(_spans(database, CASES), _spans(database, FLAGS))
    finally:
        database.close()


def _spans(database: Database, table: Table) -> list[Span]:
    columns = (table.c.room, table.c.speaker, table.c.start, table.c.end)
    with database.read() as connection:
        return [Span(*row) for row in connection.execute(select(*columns).order_by(*columns))]


def waiting(settings: Settings) -> dict[str, int]:
    """How many records wait, by stage, where any do; raises DependencyError if the broker does not answer."""
    counts = {stage.name: sum(_lags(stage, settings)) for stage in STAGES}
    return {name: count for name, count in counts.items() if count}


def _lags(stage: Stage, settings: Settings) -> list[int]:
    lag = Lag(stage, settings)
    try:
        return [place.lag for place in lag.places().values()]
    finally:
        lag.close()
