"""Reads what the broker and the store hold after a run, and the lag of the workers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from kafka import TopicPartition
from sqlalchemy import select

from agents.broker.kafka_clients import reader, topic_name
from agents.loop.lag import Lag
from benchmarks.chaos.marks import said_in
from pipeline.base.errors import BadMessage
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import AudioChunk, Message, Utterance
from pipeline.contract.topology import AUDIO, DEAD_LETTERS, STAGES, UTTERANCES, Stage, Topic
from pipeline.review.database import Database
from pipeline.review.tables.core import CASES, EVIDENCE, FLAGS
from pipeline.settings import Settings
from pipeline.speech.audio.encode import decode_flac, to_pcm16
from tests.speech import SpokenSpan, Voice

M = TypeVar("M", bound=Message)

Counts = Mapping[Voice, int]
"""Number of frames of each speaker."""


def records(topic: Topic, settings: Settings) -> Iterator[Any]:
    """All records in `topic`, partition by partition."""
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


def messages(topic: Topic, kind: type[M], settings: Settings) -> Iterator[M]:
    """The messages in `topic`. Bad records are in the dead letters."""
    for record in records(topic, settings):
        try:
            yield decode_event(kind, record.value, record.headers)
        except BadMessage:
            continue


def logged(settings: Settings, counts: Counts) -> list[SpokenSpan]:
    """The audio that the gateway has written, identified by content."""
    found = []
    for chunk in messages(AUDIO, AudioChunk, settings):
        voice = (chunk.room, chunk.speaker)
        found += said_in(voice, np.frombuffer(chunk.data, "<i2"), counts[voice])
    return found


def uttered(settings: Settings, counts: Counts) -> dict[str, list[SpokenSpan]]:
    """The audio in each utterance, by utterance id, identified by content."""
    found = {}
    for utterance in messages(UTTERANCES, Utterance, settings):
        if utterance.id not in found:
            voice = (utterance.room, utterance.speaker)
            pcm = np.frombuffer(to_pcm16(decode_flac(utterance.data)), "<i2")
            found[utterance.id] = said_in(voice, pcm, counts[voice])
    return found


def dead_letters(settings: Settings) -> tuple[set[bytes], int]:
    """The values of the bad records, and how many came twice, because a worker died before its acknowledgement."""
    sources: Counter[str] = Counter()
    values = set()
    for record in records(DEAD_LETTERS, settings):
        headers = {key: (value or b"").decode(errors="replace") for key, value in record.headers}
        sources["/".join(headers.get(f"voxwarden-{key}", "") for key in ("topic", "partition", "offset"))] += 1
        values.add(record.value)
    return values, sources.total() - len(sources)


def flagged(settings: Settings) -> list[str]:
    """The utterance id of each flag in the store."""
    database = Database(settings.database_url)
    with database.read() as connection:
        found = list(connection.scalars(select(FLAGS.c.utterance)))
    database.close()
    return found


def cases(settings: Settings) -> list[SpokenSpan]:
    """Every case in the store, in any state, in UTC seconds."""
    database = Database(settings.database_url)
    with database.read() as connection:
        query = select(CASES.c.room, CASES.c.speaker, CASES.c.start, CASES.c.end)
        found = [SpokenSpan(*row) for row in connection.execute(query)]
    database.close()
    return found


def silent(settings: Settings) -> list[str]:
    """The ids of cases without a clip."""
    database = Database(settings.database_url)
    with database.read() as connection:
        with_clip = select(EVIDENCE.c.case_id)
        found = list(connection.scalars(select(CASES.c.id).where(CASES.c.id.not_in(with_clip))))
    database.close()
    return found


def waiting(settings: Settings) -> dict[str, int]:
    """The number of waiting records, for stages that have any; raises DependencyError if the broker does not answer."""
    counts = {stage.name: sum(_lags(stage, settings)) for stage in STAGES}
    return {name: count for name, count in counts.items() if count}


def _lags(stage: Stage, settings: Settings) -> list[int]:
    lag = Lag(stage, settings)
    try:
        return [place.lag for place in lag.places().values()]
    finally:
        lag.close()
