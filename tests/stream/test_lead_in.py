"""The audio and utterances before a record, read from a real broker."""

import time
from dataclasses import dataclass

import pytest

from agents.broker.kafka_clients import producer, topic_name
from agents.broker.kafka_records import partition_of
from agents.loop.segmenter_lead_in import LeadIn
from pipeline.base.errors import DependencyError
from pipeline.contract.cloud_events import encode_event, record_key
from pipeline.contract.messages import AudioChunk, Utterance
from pipeline.contract.topology import AUDIO, UTTERANCES
from pipeline.settings import Kafka, Settings
from tests.builders import utterance

pytestmark = pytest.mark.broker

NOW = time.time()


@dataclass
class Record:
    """A record as Faust gives it. Its time is in seconds."""

    topic: str
    partition: int
    offset: int
    timestamp: float


def written(settings: Settings, count: int, *, noise: int = -1, late: int = -1, by: float = 6.0) -> list[Record]:
    """Write one chunk a second on one partition. Record `noise` is not a chunk.

    From number `late` on, the chunks are written `by` seconds late.
    """
    client = producer(settings.kafka)
    name = topic_name(AUDIO, settings.kafka)
    sent = []
    for number in range(count):
        event = encode_event(AudioChunk(room="lobby", speaker="alice", start=NOW + number, sequence=number), "test")
        headers = [] if number == noise else event.headers
        moment = round((NOW + number + (by if 0 <= late <= number else 0)) * 1000)
        sent.append(client.send(name, key=event.key, value=b"", headers=headers, timestamp_ms=moment))
    places = [future.get(60) for future in sent]
    client.close()
    return [Record(name, place.partition, place.offset, place.timestamp / 1000) for place in places]


def test_the_chunks_of_the_last_seconds_are_read(settings: Settings) -> None:
    records = written(settings, 20, noise=12)
    before = LeadIn(settings.kafka, 5.0)
    assert [chunk.sequence for chunk in before(records[15]).chunks] == [9, 10, 11, 13, 14]
    assert [chunk.sequence for chunk in before(records[2]).chunks] == [0, 1]
    assert not before(records[0]).chunks


def test_late_chunks_count_by_the_time_of_their_speech(settings: Settings) -> None:
    records = written(settings, 20, late=15)
    assert [chunk.sequence for chunk in LeadIn(settings.kafka, 5.0)(records[17]).chunks] == [11, 12, 13, 14, 15, 16]


def test_an_outage_before_the_record_does_not_hide_the_chunks_before_the_outage(settings: Settings) -> None:
    """After an outage, an app sends audio again that may have arrived."""
    records = written(settings, 20, late=15, by=60.0)
    assert [chunk.sequence for chunk in LeadIn(settings.kafka, 5.0)(records[15]).chunks] == [9, 10, 11, 12, 13, 14]


@pytest.mark.scenario
def test_audio_that_was_sent_only_after_an_outage_is_found(settings: Settings) -> None:
    """The audio is a minute late. By the time of writing, the speech before the outage is far back."""
    records = written(settings, 40, late=15, by=60.0)
    assert [chunk.sequence for chunk in LeadIn(settings.kafka, 20.0)(records[30]).chunks] == list(range(9, 30))


def test_utterances_sent_since_the_first_chunk_are_read(settings: Settings) -> None:
    records = written(settings, 20)
    send(settings.kafka, *range(-60, 40, 20), 130)
    found = LeadIn(settings.kafka, 5.0)(records[3])
    assert found.sent == [said(0), said(20)]
    assert LeadIn(settings.kafka, 32.0)(records[3]).sent == [
        said(-40),
        said(-20),
        said(0),
        said(20),
    ]


def test_utterances_are_found_although_the_audio_has_another_key(settings: Settings) -> None:
    """An app that knows no shards writes all audio of a room to one partition."""
    records = written(settings, 20)

    def partition(shards: int) -> int:
        return partition_of(record_key(said(0), shards), range(settings.kafka.partitions))

    shards = next(number for number in range(2, 100) if partition(number) != partition(1))
    sharded = settings.kafka.model_copy(update={"room_shards": shards})
    send(sharded, 4)
    assert LeadIn(sharded, 5.0)(records[5]).sent == [said(4)]
    assert LeadIn(settings.kafka, 5.0)(records[5]).sent == []


def send(kafka: Kafka, *seconds: float) -> None:
    """Write an utterance at each time."""
    client = producer(kafka)
    for second in seconds:
        event = encode_event(said(second), "test", kafka.room_shards)
        moment = round((NOW + second) * 1000)
        client.send(
            topic_name(UTTERANCES, kafka), key=event.key, value=b"fLaC", headers=event.headers, timestamp_ms=moment
        )
    client.close()


def said(second: float) -> Utterance:
    return utterance(str(second), NOW + second - 3, NOW + second - 1, room="lobby", speaker="alice", data=b"")


def test_a_broker_that_is_down_is_a_dependency_error() -> None:
    away = LeadIn(Kafka(bootstrap="127.0.0.1:9", connect_seconds=0.2), 5.0)
    with pytest.raises(DependencyError, match=r"127\.0\.0\.1:9"):
        away(Record("voice.audio", 0, 5, NOW))
