"""The field AIGC, as written by providers and by vandals."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sound.labelling.field import FIELDS as NAMES
from pipeline.sound.labelling.field import MAX_CHARACTERS, MAX_SHOWN, read_field
from tests.pipeline.sound.labelling.made import FIELD, FIELDS


def read(content: Any) -> tuple[str, tuple[str, ...]]:
    found = read_field("tag AIGC", content if isinstance(content, str) else json.dumps(content))
    return found.state, found.problems


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in FIELDS.items() if name not in names}


def test_a_valid_field_has_its_texts() -> None:
    found = read_field("tag AIGC", FIELD)
    assert (found.place, found.state, found.fields, found.problems) == ("tag AIGC", "valid", FIELDS, ())


@pytest.mark.parametrize("content", [FIELDS, {"aigc": FIELDS}, {"AIGC": without("ReservedCode1", "ReservedCode2")}])
def test_other_wrappings_are_read_and_reserved_texts_may_be_missing(content: Any) -> None:
    assert read(content) == ("valid", ())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (without("ProduceID"), "ProduceID is missing"),
        (FIELDS | {"ContentProducer": ""}, "ContentProducer is empty"),
        (FIELDS | {"Label": "4"}, "Label is none of 1, 2, 3"),
        (FIELDS | {"Label": 1}, "Label is not a text"),
        (FIELDS | {"ReservedCode2": ["x"]}, "ReservedCode2 is not a text"),
    ],
)
def test_what_lacks_is_named(content: dict[str, Any], problem: str) -> None:
    assert read({"AIGC": content}) == ("incomplete", (problem,))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        (FIELD[:-3], "it is not JSON"),
        ("[" * MAX_CHARACTERS, "it is not JSON"),
        ('{"a":' * 1_600, "it is not JSON"),
        ("\ud800", "it is not JSON"),
        ("[]", "it is not a JSON object"),
        ('{"AIGC": 1}', "it is not a JSON object"),
        ("{}", f"it has none of the texts {', '.join(NAMES)}"),
        (FIELD + " " * MAX_CHARACTERS, f"it has {len(FIELD) + MAX_CHARACTERS:,} characters, more than 8,192"),
    ],
)
def test_what_is_no_field_is_malformed(content: str, problem: str) -> None:
    assert read(content) == ("malformed", (problem,))


def test_long_texts_are_cut() -> None:
    found = read_field("tag AIGC", json.dumps(FIELDS | {"ProduceID": "x" * 5_000}))
    assert found.fields["ProduceID"] == "x" * MAX_SHOWN


@given(st.text() | st.recursive(st.none() | st.booleans() | st.text(max_size=9), st.lists).map(json.dumps))
def test_any_text_gives_a_result(value: str) -> None:
    assert read_field("tag AIGC", value).problems


@given(st.dictionaries(st.sampled_from([*NAMES, "AIGC"]), st.none() | st.integers() | st.text(max_size=9)))
def test_any_object_gives_a_result(content: dict[str, Any]) -> None:
    found = read_field("tag AIGC", json.dumps(content))
    assert (found.state == "valid") == (not found.problems)
