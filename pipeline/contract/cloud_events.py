"""Messages as CloudEvents 1.0 in Kafka's binary mode: the value is raw audio or JSON, the attributes are headers.

For messages with audio (`AUDIO_MESSAGES`) the value is the audio, without base64. Their fields are `ce_` extension
headers, whose names have only lower-case letters and digits (`sample_rate` is `ce_samplerate`). The value of other
messages is JSON.
Source: the CloudEvents Kafka protocol binding, https://github.com/cloudevents/spec.

Records with the same key stay in order on one partition. A key is a room, or a shard of a room: some of its speakers.
The setting `kafka.room_shards` is the number of shards. With one shard, every key is the room. With more, several
workers can process one large room. The order across speakers is lost only where no stage needs it: in audio, utterances
and transcripts. Flags and statuses keep the room as their key, so webhooks and the feed give the verdicts of a room in
order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar
from zlib import crc32

import msgspec

from pipeline.base.errors import BadMessage
from pipeline.base.json_reading import read_json
from pipeline.contract.messages import AudioChunk, EarlyUtterance, Message, Seconds, Sound, Transcript, Utterance

M = TypeVar("M", bound=Message)

Headers = Sequence[tuple[str, bytes | None]]

VERSION = "v1"
CONTENT_TYPES: dict[str, str] = {
    "AudioChunk": "application/octet-stream",
    "Utterance": "audio/flac",
    "EarlyUtterance": "audio/flac",
    "Sound": "audio/flac",
}
AUDIO_MESSAGES = (AudioChunk, Utterance, EarlyUtterance, Sound)
REMEDY = "docs/contract.md describes its fields."
ID_BYTES = 8  # length of a chunk's `ce_id`: enough to tell chunks apart while the topic keeps them
# Fields that are not headers of audio: `data` is the value, and `address` is known only after the record is written.
LOCAL_FIELDS = frozenset({"address", "data"})

# Messages that need the order of each speaker only.
BY_SPEAKER = (AudioChunk, Utterance, EarlyUtterance, Sound, Transcript)


@dataclass(frozen=True, slots=True)
class Event:
    """A Kafka record, ready to send."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def type_of(kind: type[Message]) -> str:
    """The CloudEvents type of a message class, e.g. `voxwarden.audiochunk.v1`."""
    return f"voxwarden.{kind.__name__.lower()}.{VERSION}"


def header_of(field: str) -> str:
    """The header of a field, e.g. `ce_samplerate` for `sample_rate`."""
    return "ce_" + field.replace("_", "")


def encode_event(message: Message, source: str, shards: int = 1) -> Event:
    """Encode a message. `source` is the sender: a stage's name, or `gateway`. Each room has `shards` shards.

    Raises BadMessage for a message that no reader could decode.
    """
    try:
        # msgspec checks limits only when it decodes. Without this, the next stage would reject our own message.
        msgspec.convert(getattr(message, "end", message.start), Seconds)
        headers = [(name, text.encode()) for name, text in _attributes(message, source).items()]
        if isinstance(message, AUDIO_MESSAGES):
            return Event(record_key(message, shards), message.data, headers + _extensions(message))
        return Event(record_key(message, shards), msgspec.json.encode(message), headers)
    except (msgspec.MsgspecError, ValueError) as error:  # a time out of range, or text that is not valid Unicode
        raise BadMessage(f"The {type(message).__name__} cannot be encoded: {error}", REMEDY) from error


def decode_event(kind: type[M], value: bytes | None, headers: Headers) -> M:
    """Decode a record to a message of class `kind`. Raises BadMessage with the reason if that fails."""
    texts = _texts(headers)
    if (found := texts.get("ce_type", "")) != type_of(kind):
        raise BadMessage(
            # A foreign header can be as long as a record.
            f"The record has type {found[:64] or 'unknown (no ce_type header)'} instead of {type_of(kind)}",
            f"Send CloudEvents in binary mode. {REMEDY}",
        )
    try:
        if kind in AUDIO_MESSAGES:
            # Not strict: the numbers of headers are text.
            return msgspec.convert(_fields(kind, texts) | {"data": value or b""}, kind, strict=False)
        return read_json(value or b"", kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadMessage(f"The {kind.__name__} cannot be decoded: {error}", REMEDY) from error


def _attributes(message: Message, source: str) -> dict[str, str]:
    start = msgspec.convert(message.start, Seconds)
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": getattr(message, "id", None) or _chunk_id(message),
        "ce_source": f"/voxwarden/{source}",
        "ce_type": type_of(type(message)),
    }
    if isinstance(message, AudioChunk):  # speakers send several chunks a second: only the required attributes
        return attributes
    return attributes | {
        "ce_time": datetime.fromtimestamp(start, UTC).isoformat(),
        "content-type": CONTENT_TYPES.get(type(message).__name__, "application/json"),
    }


def _chunk_id(message: Message) -> str:
    sequence = getattr(message, "sequence", 0)
    name = f"{message.room}\x1f{message.speaker}\x1f{message.start}\x1f{sequence}"
    return blake2b(name.encode(), digest_size=ID_BYTES).hexdigest()


def _extensions(message: Message) -> list[tuple[str, bytes]]:
    """The headers of all fields that differ from their default."""
    values = ((header, getattr(message, field), default) for header, field, default in _columns(type(message)))
    return [(header, _text(value).encode()) for header, value, default in values if value != default]


@cache
def _columns(kind: type[Message]) -> list[tuple[str, str, Any]]:
    """Header, field name and default of each field that is a header of an audio message."""
    names = fields_by_header(kind)
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    return [(header, field, defaults[field]) for header, field in names.items()]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _texts(headers: Headers) -> dict[str, str]:
    try:
        return {name: (value or b"").decode() for name, value in headers}
    except UnicodeDecodeError as error:
        raise BadMessage("A header is not UTF-8", "CloudEvents headers are UTF-8 text.") from error


def _fields(kind: type[Message], texts: dict[str, str]) -> dict[str, str]:
    names = fields_by_header(kind)
    return {names[header]: text for header, text in texts.items() if header in names}


@cache
def fields_by_header(kind: type[Message]) -> dict[str, str]:
    """The field name of an audio message by header name."""
    return {header_of(field): field for field in kind.__struct_fields__ if field not in LOCAL_FIELDS}


def record_key(message: Message, shards: int) -> bytes:
    """The key of a message's record, if each room has `shards` shards. Raises ValueError for invalid Unicode."""
    # Not `hash`, which differs in each process: all stages must choose the same shard.
    number = crc32(message.speaker.encode()) % shards if isinstance(message, BY_SPEAKER) else 0
    return shard_key(message.room, number)


def keys_of(room: str, shards: int) -> list[bytes]:
    """The keys of all shards of a room. The first one is the room itself."""
    return [shard_key(room, number) for number in range(shards)]


def shard_key(room: str, number: int) -> bytes:
    """The key of one shard. The first one is the name of the room."""
    # So the records of apps that know no shards are valid, and a room with one shard keeps its key.
    return f"{room}#{number}".encode() if number else room.encode()
