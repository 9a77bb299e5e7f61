"""Ordinary talk is clean unless a word is suspicious, and talk about suicide follows its experts."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import CLEAN, negative, positive
from tests.training.classifier.sets.tables import labels, read_set, write
from training.classifier.sets.talk import DOUBTFUL, SUSPECT


@pytest.mark.parametrize("text", ["what the FUCK", "this is shitty", "he raped her", "自杀", "滚蛋吧", "kill yourself"])
def test_a_word_is_suspicious(text: str) -> None:
    assert SUSPECT.search(text)


@pytest.mark.parametrize("text", ["grape juice", "a rapid river", "kill the boss", "滚动条", "therapist", "mishit"])
def test_a_similar_word_is_not(text: str) -> None:
    assert not SUSPECT.search(text)


@pytest.mark.parametrize(
    "text", ["I'll kill you", "You're useless", "He is drunk", "she hated me", "what the FUCK", "加我微信"]
)
def test_a_word_is_doubtful(text: str) -> None:
    assert DOUBTFUL.search(text)


@pytest.mark.parametrize("text", ["a skilled man", "the diet", "Thanks for the class", "a white lie", "pigeons"])
def test_a_word_that_only_begins_alike_is_not_doubtful(text: str) -> None:
    assert not DOUBTFUL.search(text)


@pytest.mark.parametrize("name", ["kdconv", "crosswoz"])
def test_mandarin_dialogues_are_clean_without_suspicious_lines(tmp_path: Path, name: str) -> None:
    rows = [(1, "你好"), (1, "这部电影色情"), (2, "再见")]
    write(tmp_path / name / "rows.csv", "dialogue text", *rows)
    found = read_set(tmp_path, name)
    assert {text: (row.labels, row.language, row.group) for text, row in found.items()} == {
        "你好": (CLEAN, "zh", "1"),
        "再见": (CLEAN, "zh", "2"),
    }


def test_the_turns_before_a_line_are_those_of_its_dialogue(tmp_path: Path) -> None:
    write(tmp_path / "kdconv" / "rows.csv", "dialogue text", (1, "甲"), (1, "乙"), (1, "自杀"), (1, "丁"), (2, "戊"))
    found = read_set(tmp_path, "kdconv")
    assert {text: (row.own, row.room) for text, row in found.items()} == {
        "甲": ("", ""),
        "乙": ("", "甲"),
        "丁": ("乙", "自杀"),
        "戊": ("", ""),
    }


def test_topical_chat_is_read_as_written_and_as_heard(tmp_path: Path) -> None:
    rows = [(1, "I like jazz.", "i like jaws"), (1, "same", "same"), (2, "fine", "shit"), (2, "alone", "")]
    write(tmp_path / "topical_chat" / "rows.csv", "dialogue text heard_b", *rows)
    found = read_set(tmp_path, "topical_chat")
    assert [(text, row.group) for text, row in found.items()] == [
        ("I like jazz.", "1"), ("i like jaws", "1"), ("same", "1"), ("fine", "2"), ("alone", "2"),
    ]  # fmt: skip


def test_meetings_are_clean_but_for_suspicious_words(tmp_path: Path) -> None:
    write(tmp_path / "ami" / "rows.csv", "dialogue text", ("ES1", "um it needs a button"), ("ES1", "this is shit"))
    assert {text: (row.group, row.labels) for text, row in read_set(tmp_path, "ami").items()} == {
        "um it needs a button": ("ES1", CLEAN)
    }


def test_patients_may_speak_of_drugs_but_not_of_suicide(tmp_path: Path) -> None:
    write(tmp_path / "medical_zh" / "rows.csv", "text", ("安眠药怎么吃",), ("想自杀怎么办",))
    assert labels(tmp_path, "medical_zh") == {"安眠药怎么吃": CLEAN}


def test_distress_is_self_harm_comfort_is_not_and_doubt_is_left_out(tmp_path: Path) -> None:
    rows = [(kind, kind) for kind in ("ideation", "behavior", "attempt", "supportive", "uninformative", "indicator")]
    write(tmp_path / "cssrs_reddit" / "rows.csv", "text label", *rows)
    found = read_set(tmp_path, "cssrs_reddit")
    assert {text: (row.labels, row.weight) for text, row in found.items()} == {
        "ideation": (positive("self_harm"), 1.0),
        "behavior": (positive("self_harm"), 1.0),
        "attempt": (positive("self_harm"), 1.0),
        "supportive": (negative("self_harm"), 1.0),
        "uninformative": (negative("self_harm"), 0.5),
    }
