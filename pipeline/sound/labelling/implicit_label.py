"""Reads the implicit labels of a recording: fields `AIGC` in its metadata, each a JSON object of seven texts.

The name of a tag has to contain "AIGC" (GB 45438-2025, Annex E a). FFmpeg reads the tags that the practice guide on
audio files (TC260-PG-202510A) names: ID3v2 `TXXX` of MP3, Vorbis comments of FLAC and Ogg, keys in `moov.udta.meta` of
M4A. It does not read the chunk `AIGC` of a WAV file, so that is read here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from pipeline.base.json_reading import read_json
from pipeline.speech.audio.decode import facts_of

NAME = "AIGC"
FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
OPTIONAL = frozenset({"ReservedCode1", "ReservedCode2"})
"""For the provider's own protection of the label. The others are asked for; a producer repeats its own name and number
for the propagator."""

LABELS = {"1": "generated", "2": "may be generated", "3": "suspected to be generated"}
"""Values of `Label`, and what they say of the content."""

MAX_CHARACTERS = 8_192
"""A longer value is not parsed. Seven names, numbers and signatures need far less."""
MAX_SHOWN = 200
"""Characters of a field that are reported."""

State = Literal["valid", "incomplete", "malformed"]
MAX_LABELS = 16
"""More fields of a file are not read."""
MAX_CHUNKS = 10_000
"""More chunks of a WAV file are not visited."""
COMMENT = f'{{"{NAME}"'
"""How the field begins if it stands in a tag of another name, for example `comment`."""


@dataclass(frozen=True, slots=True)
class ImplicitLabel:
    """One `AIGC` field of a file, and its problems."""

    place: str
    """Where in the file it is, e.g. `tag AIGC`."""
    state: State
    """`valid`; `incomplete`: a field is missing, empty or wrong; `malformed`: no JSON object of the standard's form."""
    fields: Mapping[str, str]
    problems: tuple[str, ...] = ()


def read_field(place: str, value: str) -> ImplicitLabel:
    """Read the value of a field. It never raises: what is wrong is in the result.

    The seven texts may also stand without the object `{"AIGC": ...}` around them, as some providers write them.
    """
    if len(value) > MAX_CHARACTERS:
        return _malformed(place, f"it has {len(value):,} characters, more than {MAX_CHARACTERS:,}")
    try:
        content = _unwrapped(read_json(value, object))
    except msgspec.DecodeError:
        return _malformed(place, "it is not JSON")
    if not isinstance(content, dict):
        return _malformed(place, "it is not a JSON object")
    fields = {name: content[name][:MAX_SHOWN] for name in FIELDS if isinstance(content.get(name), str)}
    if not fields:
        return _malformed(place, f"it has none of the texts {', '.join(FIELDS)}")
    problems = tuple(_problems(content))
    return ImplicitLabel(place, "incomplete" if problems else "valid", fields, problems)


def _unwrapped(content: Any) -> Any:
    if isinstance(content, dict) and len(content) == 1:
        name, inner = next(iter(content.items()))
        return inner if name.upper() == NAME else content
    return content


def _problems(content: Mapping[str, Any]) -> Iterator[str]:
    for name in FIELDS:
        value = content.get(name)
        if value is None:
            if name not in OPTIONAL:
                yield f"{name} is missing"
        elif not isinstance(value, str):
            yield f"{name} is not a text"
        elif not value and name not in OPTIONAL:
            yield f"{name} is empty"
        elif name == "Label" and value not in LABELS:
            yield f"Label is none of {', '.join(LABELS)}"


def _malformed(place: str, problem: str) -> ImplicitLabel:
    return ImplicitLabel(place, "malformed", {}, (problem,))


def labels_in(path: Path, name: str | None = None) -> list[ImplicitLabel]:
    """The implicit labels of a file, at most MAX_LABELS.

    Raises AudioError with `name` if the file cannot be read or is not audio.
    """
    found = [read_field(f"tag {key}", value) for key, value in facts_of(path, name).tags if _is(key, value)]
    with path.open("rb") as file:
        found += (read_field(f"chunk {NAME}", value) for value in _chunks(file))
    return found[:MAX_LABELS]


def _is(key: str, value: str) -> bool:
    return NAME in key.upper() or "".join(value[:64].split()).upper().startswith(COMMENT)


def _chunks(file: BinaryIO) -> Iterator[str]:
    """The texts of the chunks `AIGC` of a WAV file; none if it is no WAV file."""
    if file.read(4) not in {b"RIFF", b"RF64"}:
        return
    file.seek(12)
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        begin = file.tell()
        if head[:4] == NAME.encode():
            # A character has at most 4 bytes. One more than the limit is read, so that `read_field` sees it is longer.
            yield file.read(min(size, 4 * MAX_CHARACTERS + 4)).decode(errors="replace").rstrip("\0")
        file.seek(begin + size + size % 2)
