"""Reads the implicit label: the metadata field `AIGC`, a JSON object of seven texts (GB 45438-2025, Annex E)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

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
as those of the propagator."""

LABELS = {"1": "generated", "2": "may be generated", "3": "suspected to be generated"}
"""Values of `Label`, and what they say of the content."""

MAX_CHARACTERS = 8_192
"""A longer value is not parsed. Seven names, numbers and signatures need far less."""
MAX_SHOWN = 200
"""Characters of a field that are reported."""

State = Literal["valid", "incomplete", "malformed"]


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
        content = _unwrapped(msgspec.json.decode(value))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
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
