"""Kafka records: decode them, find their place, compute their size, and make dead letters of them."""

from collections.abc import Collection, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka.partitioner import DefaultPartitioner

from pipeline.base.errors import BadMessage, VoxwardenError
from pipeline.contract.cloud_events import Event, decode_event, encode_event
from pipeline.contract.messages import EarlyUtterance, Message, Sound, Utterance
from pipeline.contract.stage import Rejected, blamed
from pipeline.contract.topology import Stage

RECORD_OVERHEAD = 512  # upper limit for the bytes that a record batch adds to key, value and headers
HEADER_OVERHEAD = 10  # upper limit for the bytes that each header adds

_choose = DefaultPartitioner()


@dataclass(frozen=True, slots=True)
class Received:
    """A Kafka record as Faust gives it, with the message that was decoded from it.

    If the record cannot be decoded, `message` is None and `error` says why.
    """

    record: Any
    message: Message | None = None
    error: VoxwardenError | None = None


def receive(kind: type[Message], record: Any) -> Received:
    """Decode a record as a message of `kind`. Errors come back in `Received.error`."""
    try:
        message = decode_event(kind, record.value, record.headers or ())  # Faust's event would drop repeated names
        # The sender did not know the address before it was written.
        if isinstance(message, Utterance | EarlyUtterance | Sound):
            message = msgspec.structs.replace(message, address=address_of(record))
        return Received(record, message)
    except BadMessage as error:
        return Received(record, error=error)
    except Exception as error:
        return Received(record, error=blamed(error))


def sender_of(message: object, record: Any = None) -> Hashable:
    """Return room and speaker of a message.

    A record that cannot be decoded has no sender; its address stands for one.
    """
    return (message.room, message.speaker) if isinstance(message, Message) else record and address_of(record)


def address_of(record: Any) -> str:
    """Return `topic/partition/offset` of a Kafka record of either client."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def spans_of(records: Sequence[Any]) -> str:
    """Return `topic/partition/first to last` for each partition of a batch.

    The batch has each partition in offset order.
    """
    first = {(record.topic, record.partition): record for record in reversed(records)}
    last = {(record.topic, record.partition): record for record in records}
    return ", ".join(f"{address_of(first[place])} to {last[place].offset}" for place in sorted(last))


def size_of(event: Event) -> int:
    """Return the largest possible size of the event as a record, in bytes."""
    size = RECORD_OVERHEAD + len(event.key) + len(event.value) + HEADER_OVERHEAD * len(event.headers)
    for name, value in event.headers:
        size += len(name) + len(value)
    return size


def original(record: Any) -> Event:
    """Return the record unchanged, as an event to send."""
    headers = [(name, value or b"") for name, value in record.headers or ()]
    return Event(record.key or b"", record.value or b"", headers)


def dead_letter(stage: Stage, event: Event, error: VoxwardenError, source: str | None, limit: int) -> Event:
    """Return `event` with the reason and the address of its source in headers.

    If the result is larger than `limit` bytes, the value is left out and its size is kept in a header.
    """
    reason = {"voxwarden-stage": stage.name, "voxwarden-error": str(error)}
    if source:
        topic, partition, offset = source.rsplit("/", 2)
        reason |= {"voxwarden-topic": topic, "voxwarden-partition": partition, "voxwarden-offset": offset}
    letter = Event(event.key, event.value, event.headers + [(name, text.encode()) for name, text in reason.items()])
    if size_of(letter) <= limit:
        return letter
    return Event(event.key, b"", [*letter.headers, ("voxwarden-cut", str(len(event.value)).encode())])


def refused(stage: Stage, rejected: Rejected, batch: Sequence[Received], limit: int) -> Event:
    """Return the dead letter of a message that a processor rejected.

    If the message came in `batch`, it is its record.
    """
    for received in batch:
        if received.message is rejected.message:
            record = received.record
            return dead_letter(stage, original(record), rejected.error, address_of(record), limit)
    return dead_letter(stage, _written(rejected.message, stage), rejected.error, None, limit)


def _written(message: object, stage: Stage) -> Event:
    """Return a message that a stage made as an event. If it cannot be encoded, return its `repr` for people to read."""
    if isinstance(message, Message):
        with suppress(BadMessage):
            return encode_event(message, stage.name)
    return Event(b"", repr(message).encode(errors="backslashreplace"), [])  # the text may be why it cannot be encoded


def partition_of(key: bytes, numbers: Collection[int]) -> int:
    """Return the partition for `key` out of all partitions `numbers`. All our producers choose it in this way."""
    ordered = sorted(numbers)
    return int(_choose(key, ordered, ordered))
