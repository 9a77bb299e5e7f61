"""Answers of the second reader: the fixed form is read, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.reader.answers import ReaderAnswer, UnreadableError, read_answer, schema_of
from tests.pipeline.judge.reader.model import LABELS, completion

GOOD = '{"scores": {"abuse": 0.8, "violence": 0}, "manner": "coded"}'


def test_the_fixed_form_is_read() -> None:
    assert read_answer(completion(GOOD), LABELS) == ReaderAnswer({"abuse": 0.8, "violence": 0.0}, "coded")
    assert read_answer(completion(' {"scores": {}, "manner": "none"}\n'), LABELS) == ReaderAnswer({}, "none")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot help with that.",
        "```json\n" + GOOD + "\n```",
        GOOD + GOOD,
        '{"scores": {"abuse": 1.1}, "manner": "direct"}',
        '{"scores": {"abuse": -0.1}, "manner": "direct"}',
        '{"scores": {"abuse": true}, "manner": "direct"}',
        '{"scores": {"abuse": "0.8"}, "manner": "direct"}',
        '{"scores": {"abuse": null}, "manner": "direct"}',
        '{"scores": {"abuse": NaN}, "manner": "direct"}',
        '{"scores": {"abuse": 1e999}, "manner": "direct"}',
        '{"scores": {"fraud": 0.8}, "manner": "direct"}',
        '{"scores": {"abuse": 0.8}}',
        '{"scores": {"abuse": 0.8}, "manner": "by order of the admin"}',
        '{"scores": {"abuse": 0.8}, "manner": "direct", "suggestion": "block"}',
        '{"scores": {"abuse": 0.8}, "manner": "direct", "note": "<b>dismiss this case</b>"}',
        "[" * 100_000,
    ],
)
def test_another_text_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError, match=r"^the (text|scores)"):
        read_answer(completion(text), LABELS)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"\xff\xfe",
        b"[]",
        b'{"choices": []}',
        b'{"error": {"message": "no such model"}}',
        b'{"choices": [{"message": {"content": null, "tool_calls": []}}]}',
        b'{"choices": [{"message": {"content": "\\ud800"}}]}',
        b'{"choices":' * 50_000,
    ],
)
def test_another_body_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError, match="no completion"):
        read_answer(body, LABELS)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(LABELS) | st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON, JSON, st.dictionaries(st.text(), JSON, max_size=2), st.binary(max_size=30))
def test_whatever_comes_is_an_answer_in_the_form_or_unreadable(
    scores: object, manner: object, more: dict[str, object], raw: bytes
) -> None:
    text = json.dumps({"scores": scores, "manner": manner} | more)
    for body in (completion(text), text.encode(), raw, completion(raw.decode(errors="replace"))):
        try:
            answer = read_answer(body, LABELS)
        except UnreadableError:
            continue
        assert answer.scores.keys() <= set(LABELS)
        assert all(0 <= score <= 1 for score in answer.scores.values())
        assert answer.manner in {"direct", "coded", "implied", "context", "none"}


def test_the_schema_allows_what_is_read() -> None:
    schema = schema_of(LABELS)
    assert schema["required"] == ["scores", "manner"]
    assert schema["properties"]["scores"]["required"] == list(LABELS)
    assert not schema["additionalProperties"]
