"""The tables of the manual are generated from the code, and its prose stays."""

import re

import pytest

from pipeline.contract.__main__ import DOCS
from pipeline.contract.schemas import KINDS, PARTS
from pipeline.contract.tables import filled
from pipeline.errors import ConfigError
from pipeline.messages import Flag
from pipeline.topology import STAGES, TOPICS


def table(name: str) -> list[list[str]]:
    """The cells of a generated table, without its head."""
    text = filled(f"before\n<!-- begin {name} -->\nold\n<!-- end {name} -->\nafter")
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no table Typo"):
        filled("<!-- begin Typo -->\n<!-- end Typo -->")


def test_the_manual_has_a_place_for_every_table() -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    places = set(re.findall(r"<!-- begin (\w+) -->", text))
    assert places == {kind.__name__ for kind in (*KINDS, *PARTS)} | {"topics", "headers", "reasons"}


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


def test_the_values_of_a_field_are_told_in_words() -> None:
    rows = {row[0].strip("`"): row for row in table("Flag")}
    assert set(rows) == {*Flag.__struct_fields__}
    assert rows["suggestion"][1:3] == ["`block`, `pass`, `review`", "required"]
    assert rows["risk"][1] == "number 0 to 1"
    assert rows["room"][1:3] == ["text, 1 to 256 characters", "required"]
    assert rows["labels"][1] == "object of number 0 to 1"
    assert rows["hits"][1] == "list of `Hit`"
    assert rows["room_type"][2] == '`"default"`'
