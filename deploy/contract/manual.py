"""The generated parts of docs/contract.md: tables, and lists of fields. Two comments with its name enclose each."""

import json
import re
import textwrap
from collections.abc import Sequence

from msgspec import Struct

from deploy.contract.asyncapi import REASONS
from deploy.contract.schemas import KINDS, PARTS, Schema, attributes, schema
from pipeline.base.errors import ConfigError
from pipeline.contract.cloud_events import header_of
from pipeline.contract.messages import (
    Decision,
    EarlyUtterance,
    Flag,
    Message,
    SecondReading,
    Sound,
    SpeechStatus,
    Transcript,
    Utterance,
)
from pipeline.contract.topology import STAGES, TOPICS, Stage, Topic

WIDTH = 118  # maximum characters of a line in the lists

OTHERS = (Utterance, EarlyUtterance, Sound, Transcript, SecondReading, SpeechStatus, Decision)

BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """`text` with every part generated again; raises ConfigError for an unknown name."""
    parts = _parts()

    def fill(match: re.Match[str]) -> str:
        if match[2] not in parts:
            raise ConfigError(f"docs/contract.md: no part {match[2]}", f"There are {', '.join(parts)}.")
        return f"{match[1]}\n{parts[match[2]]}\n\n{match[3]}"

    return BLOCK.sub(fill, text)


def _parts() -> dict[str, str]:
    common = {field: schema(Flag)["properties"][field] for field in Message.__struct_fields__}
    made = {"Message": _fields(schema(Flag) | {"properties": common}, Message.__doc__)}
    made |= {kind.__name__: _fields(_own(kind), kind.__doc__) for kind in KINDS}
    flag_parts = schema(Flag)["$defs"] | schema(Transcript)["$defs"]
    made |= {part.__name__: _fields(flag_parts[part.__name__], part.__doc__) for part in PARTS}
    return made | {"topics": _topics(), "headers": _headers(), "others": _others(), "reasons": _reasons()}


def _own(kind: type[Struct]) -> Schema:
    """The schema of `kind` without the fields that all messages have."""
    found = schema(kind)
    common = Message.__struct_fields__ if issubclass(kind, Message) else ()
    left_out = {*common, *map(header_of, common)}
    return found | {"properties": {name: field for name, field in found["properties"].items() if name not in left_out}}


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _topics() -> str:
    rows = [
        (
            f"`{t.name}`",
            _holds(t),
            f"{t.retention_hours:g} h",
            _stages(t, "gives") or "gateway, ingest, your app",
            _stages(t, "takes"),
        )
        for t in TOPICS
    ]
    return _table(("topic", "holds", "kept for", "written by", "read by"), rows)


def _holds(topic: Topic) -> str:
    return f"`{topic.message.__name__}`" if topic.message else "records of any stage"


def _stages(topic: Topic, side: str) -> str:
    if topic.message is None:
        return "every stage" if side == "gives" else "`voxwarden dead-letters`"
    return ", ".join(stage.name for stage in STAGES if topic in getattr(stage, side) or _is_early(stage, topic, side))


def _is_early(stage: Stage, topic: Topic, side: str) -> bool:
    return side == "takes" and stage.early is topic


def _headers() -> str:
    rows = [(f"`{name}`", _form(found), found.get("description", "")) for name, found in attributes(Flag).items()]
    return _table(("header", "value", "meaning"), rows)


def _others() -> str:
    """The messages without a list of fields on the page, because few apps read them."""
    return "\n".join(
        _item(f"[`{kind.__name__}`](schemas/{kind.__name__.lower()}.json): {kind.__doc__}") for kind in OTHERS
    )


def _reasons() -> str:
    return _table(("header", "meaning"), [(f"`{name}`", meaning) for name, meaning in REASONS.items()])


def _fields(found: Schema, doc: str | None) -> str:
    items = [
        _field(name, field, required=name in found["required"])
        for name, field in found["properties"].items()
        if name not in attributes(Flag) or name == "ce_id"
    ]
    return "\n".join([f"{doc}\n", *items])


def _field(name: str, field: Schema, *, required: bool) -> str:
    """Two lines: name, form and default of a field, then its meaning."""
    facts = [_form(field), "required" if required else _default(field)]
    return _item(f"`{name}`: {'; '.join(filter(None, facts))}.", field.get("description", ""))


def _item(*lines: str) -> str:
    """An item of a list. Each of `lines` begins a new line, and is wrapped."""
    wrapped = [textwrap.fill(line, WIDTH - 2, break_long_words=False, break_on_hyphens=False) for line in lines]
    return "- " + textwrap.indent("\n".join(wrapped), "  ").removeprefix("  ")


def _default(field: Schema) -> str:
    return f"default `{json.dumps(field['default'])}`" if field.get("default") not in (None, "", [], {}) else ""


def _form(field: Schema) -> str:
    """The type of a value, in one or two words."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(map(_form, field["anyOf"]))
    if "$ref" in field:
        return f"`{field['$ref'].rpartition('/')[2]}`"
    return _typed(field["type"], field)


def _typed(kind: str, field: Schema) -> str:
    match kind:
        case "array":
            return f"list of {_form(field['items'])}"
        case "object":
            return f"object of {_form(field['additionalProperties'])}"
        case "string":
            most = field.get("maxLength")
            return (
                f"text, {field.get('minLength', 0)} to {most} characters" if most else str(field.get("format", "text"))
            )
    return kind + _range(field)


def _range(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is None:
        return ""
    # A limit that large comes from the width of an integer, and says nothing to a reader.
    return f" from {low}" if high is None or high >= 2**53 else f" {low} to {high}"
