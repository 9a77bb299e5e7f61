"""Dead letters hold the original record, the reason, and the address."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.broker.kafka_records import Received, address_of, dead_letter, receive, refused, size_of
from pipeline.base.errors import BadMessage
from pipeline.contract.cloud_events import Event, decode_event, encode_event
from pipeline.contract.messages import AudioChunk
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import SEGMENT

CHUNK = AudioChunk(room="lobby", speaker="alice", start=1.0, sequence=0, data=b"\0\0" * 100)
LIMIT = 10_000


@dataclass
class Record:
    value: bytes | None = CHUNK.data
    headers: Any = field(default_factory=lambda: encode_event(CHUNK, "test").headers)
    key: bytes | None = b"lobby"
    topic: str = "voice.audio"
    partition: int = 3
    offset: int = 14


def texts(event: Event) -> dict[str, str]:
    return {name: value.decode() for name, value in event.headers}


def test_a_good_record_is_decoded() -> None:
    assert receive(AudioChunk, Record()).message == CHUNK


@given(
    st.none() | st.binary(max_size=50),
    st.none() | st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=5),
)
def test_any_other_record_becomes_a_dead_letter_with_its_value(value: bytes | None, headers: Any) -> None:
    received = receive(AudioChunk, Record(value, headers))
    assert received.message is None
    assert received.error is not None
    letter = refused(SEGMENT, Rejected(None, received.error), [received], LIMIT)
    assert letter.value == (value or b"")
    assert texts(Event(b"", b"", letter.headers[-5:]))["voxwarden-offset"] == "14"


def test_the_dead_letter_of_a_rejected_message_is_its_record() -> None:
    received = Received(Record(), CHUNK)
    letter = refused(SEGMENT, Rejected(CHUNK, BadMessage("no use")), [received], LIMIT)
    assert letter.value == CHUNK.data
    assert texts(letter)["voxwarden-error"] == "no use"
    assert texts(letter)["voxwarden-topic"] == "voice.audio"
    assert texts(letter)["voxwarden-partition"] == "3"
    assert decode_event(AudioChunk, letter.value, letter.headers) == CHUNK, "the dead letter can be replayed"


def test_a_rejected_message_of_an_earlier_batch_is_encoded_again() -> None:
    """Segment holds chunks that arrive out of order, and may reject one in a later batch."""
    letter = refused(SEGMENT, Rejected(CHUNK, BadMessage("no use")), [], LIMIT)
    assert decode_event(AudioChunk, letter.value, letter.headers) == CHUNK
    assert "voxwarden-offset" not in texts(letter)


def test_a_dead_letter_that_is_too_large_has_no_value() -> None:
    event = Event(b"lobby", b"x" * LIMIT, [("ce_type", b"t")])
    letter = dead_letter(SEGMENT, event, BadMessage("too large"), "voice.audio/0/7", LIMIT)
    assert letter.value == b""
    assert texts(letter)["voxwarden-cut"] == str(LIMIT)
    assert size_of(letter) <= LIMIT


def test_the_address_is_topic_partition_and_offset() -> None:
    assert address_of(Record()) == "voice.audio/3/14"
