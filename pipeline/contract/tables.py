"""The tables of docs/contract.md. Two comments with the table's name enclose each table."""

import json
import re
from collections.abc import Sequence

from pipeline.contract.asyncapi import REASONS
from pipeline.contract.schemas import KINDS, PARTS, Schema, attributes, schema
from pipeline.errors import ConfigError
from pipeline.messages import Flag
from pipeline.topology import STAGES, TOPICS, Topic

BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)", re.DOTALL)


def filled(text: str) -> str:
    """`text` with every table generated again; raises ConfigError for an unknown table name."""
    tables = _tables()

    def fill(match: re.Match[str]) -> str:
        if match[2] not in tables:
            raise ConfigError(f"docs/contract.md: no table {match[2]}", f"There are {', '.join(tables)}.")
        return f"{match[1]}\n{tables[match[2]]}\n\n{match[3]}"

    return BLOCK.sub(fill, text)


def _tables() -> dict[str, str]:
    made = {kind.__name__: _fields(schema(kind), kind.__doc__) for kind in KINDS}
    flag_parts = schema(Flag)["$defs"] | schema(KINDS[2])["$defs"]
    made |= {part.__name__: _fields(flag_parts[part.__name__], part.__doc__) for part in PARTS}
    return made | {"topics": _topics(), "headers": _headers(), "reasons": _reasons()}


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
    return ", ".join(stage.name for stage in STAGES if topic in getattr(stage, side))


def _headers() -> str:
    rows = [(f"`{name}`", _form(found), found.get("description", "")) for name, found in attributes(Flag).items()]
    return _table(("header", "value", "meaning"), rows)


def _reasons() -> str:
    return _table(("header", "meaning"), [(f"`{name}`", meaning) for name, meaning in REASONS.items()])


def _fields(found: Schema, doc: str | None) -> str:
    rows = [
        (f"`{name}`", _form(field), _default(name, field, found), field.get("description", ""))
        for name, field in found["properties"].items()
        if name not in attributes(Flag) or name == "ce_id"
    ]
    return f"{doc}\n\n{_table(('field', 'value', 'default', 'meaning'), rows)}"


def _default(name: str, field: Schema, whole: Schema) -> str:
    if name in whole["required"]:
        return "required"
    return f"`{json.dumps(field['default'])}`" if field.get("default") not in (None, "", [], {}) else ""


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
    return f" from {low}" if high is None or high >= 2**53 else f" {low} to {high}"
