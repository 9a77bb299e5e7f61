"""The tables and lists of the manual are generated from the code, and its prose stays."""

import re

import pytest

from deploy.contract.__main__ import DOCS
from deploy.contract.manual import filled
from deploy.contract.schemas import KINDS
from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Flag
from pipeline.contract.topology import STAGES, TOPICS


def part(name: str) -> str:
    """A generated part, between two lines that must stay."""
    text = filled(f"before\n<!-- begin {name} -->\nold\n<!-- end {name} -->\nafter")
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    return text


def table(name: str) -> list[list[str]]:
    """The cells of a generated table, without its head."""
    lines = [line for line in part(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def fields(name: str) -> dict[str, tuple[list[str], str]]:
    """The generated list of fields: the facts and the meaning of each field, by its name."""
    items = re.findall(r"^- `(\w+)`: (.*)\.\n((?:  .*\n)*)", part(name), re.MULTILINE)
    return {field: (facts.split("; "), " ".join(meaning.split())) for field, facts, meaning in items}


def test_an_unknown_part_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no part Typo"):
        filled("<!-- begin Typo -->\n<!-- end Typo -->")


def test_the_manual_has_every_message() -> None:
    """As a list of fields, or as a row that leads to its schema."""
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    places = set(re.findall(r"<!-- begin (\w+) -->", text))
    assert places >= {"Message", "AudioChunk", "Flag", "Hit", "Word", "topics", "headers", "others", "reasons"}
    for kind in KINDS:
        file = f"schemas/{kind.__name__.lower()}.json"
        assert kind.__name__ in places or (f"({file})" in text and (DOCS / file).is_file())


def test_prose_without_a_table_is_unchanged() -> None:
    assert filled("# Title\n<!-- a note -->\n| a | b |\n") == "# Title\n<!-- a note -->\n| a | b |\n"


def test_every_topic_has_a_row_with_its_writers_and_readers() -> None:
    rows = {row[0].strip("`"): row for row in table("topics")}
    assert list(rows) == [topic.name for topic in TOPICS]
    for stage in STAGES:
        assert all(stage.name in rows[topic.name][3].split(", ") for topic in stage.gives)
        assert all(stage.name in rows[topic.name][4].split(", ") for topic in stage.takes)
    assert rows["voice.dead-letters"][3:] == ["every stage", "`voxwarden dead-letters`"]
    assert all(len(row) == 5 and all(row) for row in rows.values())


def test_a_field_states_its_values_its_default_and_its_meaning() -> None:
    common, own = fields("Message"), fields("Flag")
    found = common | own
    assert [*found] == [*Flag.__struct_fields__]
    assert not common.keys() & own.keys()
    assert found["suggestion"][0] == ["`block`, `pass`, `review`", "required"]
    assert found["risk"] == (["number 0 to 1", "required"], "Calibrated probability that at least one label applies.")
    assert found["room"][0] == ["text, 1 to 256 characters", "required"]
    assert found["labels"][0] == ["object of number 0 to 1"]
    assert found["hits"][0][0] == "list of `Hit`"
    assert found["room_type"][0][1] == 'default `"default"`'
    assert all(meaning for _, meaning in found.values())
