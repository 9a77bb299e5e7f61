"""Request fields accept what a database can store, and nothing else."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.console import fields

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
TEXTS = st.text("aé中\U0001f600 '<\x00\n\x1f\x7f\x80", max_size=300)
WORDS = st.text("abz_-0f \n", max_size=70)


def accepts(kind: Any, text: str) -> bool:
    """Tell whether the field accepts the text. An accepted text is not changed."""
    try:
        assert TypeAdapter(kind).validate_python(text) == text
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", [fields.NameQuery, fields.NameForm])
@given(text=TEXTS)
def test_a_name_has_no_control_characters(kind: Any, text: str) -> None:
    assert accepts(kind, text) == (len(text) <= 256 and not CONTROL.search(text))


@given(TEXTS)
def test_a_note_may_have_lines_but_no_nul(text: str) -> None:
    assert accepts(fields.NoteForm, text) == ("\x00" not in text)


@given(WORDS)
def test_ids_and_words_have_only_their_characters(text: str) -> None:
    short = len(text) <= 64
    assert accepts(fields.CaseId, text) == (short and re.fullmatch(r"[0-9a-f-]+", text) is not None)
    assert accepts(fields.IdForm, text) == (short and re.fullmatch(r"[0-9a-f-]*", text) is not None)
    assert accepts(fields.WordForm, text) == (short and re.fullmatch(r"[a-z_]*", text) is not None)


@pytest.mark.parametrize(
    ("kind", "longest"),
    [
        (fields.CaseId, 64),
        (fields.NameQuery, 256),
        (fields.NameForm, 256),
        (fields.SecretForm, 1_024),
        (fields.CodeForm, 24),
        (fields.NoteForm, 4_000),
        (fields.WordForm, 64),
        (fields.IdForm, 64),
    ],
)
def test_each_field_has_a_longest_text(kind: Any, longest: int) -> None:
    assert accepts(kind, "a" * longest)
    assert not accepts(kind, "a" * (longest + 1))
