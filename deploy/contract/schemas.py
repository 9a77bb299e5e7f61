"""JSON Schema (2020-12) for every message: for its JSON value, or for its headers if the value is audio."""

from typing import Any

import msgspec

from deploy.contract.fields import meanings
from pipeline.contract.cloud_events import CONTENT_TYPES, LOCAL_FIELDS, header_of, type_of
from pipeline.contract.messages import (
    Alternative,
    AudioChunk,
    Decision,
    EarlyUtterance,
    Flag,
    HeardSound,
    Hit,
    Message,
    SecondReading,
    Sound,
    SpeechStatus,
    Transcript,
    Utterance,
    Word,
)

KINDS: tuple[type[msgspec.Struct], ...] = (
    AudioChunk,
    Utterance,
    EarlyUtterance,
    Sound,
    Transcript,
    Flag,
    SecondReading,
    SpeechStatus,
    Decision,
)
PARTS: tuple[type[msgspec.Struct], ...] = (Word, Alternative, Hit, HeardSound)  # types of nested objects in messages

DIALECT = "https://json-schema.org/draft/2020-12/schema"
HEADERS_NOTE = "The Kafka headers. Each is UTF-8 text; numbers and booleans are written as in JSON."

Schema = dict[str, Any]


def is_audio(kind: type[msgspec.Struct]) -> bool:
    """Whether the value is raw audio and the fields are headers."""
    return kind.__name__ in CONTENT_TYPES


def schema(kind: type[msgspec.Struct]) -> Schema:
    """The complete schema document for one message type."""
    if is_audio(kind) and issubclass(kind, Message):
        return {"$schema": DIALECT} | _headers(kind)
    _, components = msgspec.json.schema_components([kind])
    for part in (kind, *PARTS):
        if part.__name__ in components:
            _describe(components[part.__name__], part)
    own: Schema = components.pop(kind.__name__)
    return {"$schema": DIALECT} | own | ({"$defs": components} if components else {})


def attributes(kind: type[Message]) -> dict[str, Schema]:
    """The CloudEvents headers of a message on Kafka, beside the headers for the message's own fields.

    An AudioChunk has only those headers that CloudEvents requires.
    """
    found: dict[str, Schema] = {
        "ce_specversion": {"const": "1.0", "description": "The CloudEvents version."},
        "ce_id": {"type": "string", "description": "The message's id. A message that is sent again keeps its id."},
        "ce_source": {"type": "string", "description": "The sender, for example `/voxwarden/segment`."},
        "ce_type": {"const": type_of(kind), "description": "The message type and the version of the contract."},
        "ce_time": {"type": "string", "format": "date-time", "description": "The value of `start`, as RFC 3339 text."},
        "content-type": {
            "const": CONTENT_TYPES.get(kind.__name__, "application/json"),
            "description": "The format of the value.",
        },
    }
    return {name: found[name] for name in REQUIRED} if kind is AudioChunk else found


# Required by CloudEvents. Voxwarden itself reads only `ce_type`.
REQUIRED = ["ce_specversion", "ce_id", "ce_source", "ce_type"]


def _headers(kind: type[Message]) -> Schema:
    _, components = msgspec.json.schema_components([kind])
    whole = components[kind.__name__]
    _describe(whole, kind)
    fields = {
        header_of(name): _present(field) for name, field in whole["properties"].items() if name not in LOCAL_FIELDS
    }
    needed = [header_of(name) for name in whole["required"]]
    return {
        "title": kind.__name__,
        "description": f"{whole['description']} {HEADERS_NOTE}",
        "type": "object",
        "properties": attributes(kind) | fields,
        "required": [*REQUIRED, *(name for name in needed if name not in REQUIRED)],
    }


def _present(field: Schema) -> Schema:
    """The schema of a header. A header is never null: it is left out."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] | {"description": field["description"]} if len(kinds) == 1 else field


def _describe(found: Schema, kind: type[msgspec.Struct]) -> None:
    for name, meaning in meanings(kind).items():
        found["properties"][name] |= {"description": meaning}
