"""Sets about fraud, adverts and personal data. Turns of a fraudulent caller are joined, and calls stay together."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import CLEAN, negative, positive
from tests.training.classifier.sets.tables import labels, read_set, write
from training.classifier.sets.trade import CALLED, TURNS


def test_spam_by_sms_is_fraud_and_an_advert(tmp_path: Path) -> None:
    file = tmp_path / "sms_spam" / "SMSSpamCollection"
    file.parent.mkdir()
    file.write_text("ham\tsee you\tat nine\nspam\tWin £1000 &amp; more\nother\tx\nham\t\n", "utf-8")
    assert labels(tmp_path, "sms_spam") == {
        "see you at nine": CLEAN,
        "Win £1000 & more": positive("fraud", "ads_spam"),
    }


def test_comments_on_one_video_are_the_test(tmp_path: Path) -> None:
    rows = [("a", 1, "Shakira"), ("b", 0, "Shakira"), ("c", 0, "Eminem")]
    write(tmp_path / "youtube_spam" / "rows.csv", "text label video", *rows)
    found = read_set(tmp_path, "youtube_spam")
    assert {text: (row.labels, row.part) for text, row in found.items()} == {
        "a": (positive("ads_spam"), "test"),
        "b": (negative("ads_spam", "fraud"), "test"),
        "c": (negative("ads_spam", "fraud"), "train"),
    }


def call(folder: Path, *turns: tuple[int, str, str, str]) -> None:
    write(folder / "teleantifraud" / "rows.csv", "dialogue call speaker text", *turns)


def test_a_fraudulent_callers_turns_are_joined_and_the_called_person_is_no_fraud(tmp_path: Path) -> None:
    said = [(1, "fraud", "caller", f"c{n}") for n in range(TURNS + 2)]
    call(tmp_path, *said[:2], (1, "fraud", "called", "什么"), *said[2:])
    found = read_set(tmp_path, "teleantifraud")
    joined = {text for text, row in found.items() if row.labels == positive("fraud")}
    assert joined == {"c0 c1 c2", "c1 c2 c3", "c2 c3 c4"}
    assert found["什么"].labels == CALLED
    assert {row.group for row in found.values()} == {"1"}


def test_a_short_call_is_one_text_and_a_silent_caller_none(tmp_path: Path) -> None:
    call(tmp_path, (1, "fraud", "caller", "a"), (1, "fraud", "caller", "b"), (2, "fraud", "called", "喂"))
    assert labels(tmp_path, "teleantifraud") == {"a b": positive("fraud"), "喂": CALLED}


def test_an_ordinary_call_is_clean_turn_by_turn(tmp_path: Path) -> None:
    call(tmp_path, (1, "normal", "caller", "a"), (1, "normal", "called", "b"), (2, "fraud", "caller", "c"))
    assert labels(tmp_path, "teleantifraud") == {"a": CLEAN, "b": CLEAN, "c": positive("fraud")}
    found = read_set(tmp_path, "teleantifraud")
    assert [found[text].room for text in "abc"] == ["", "a", ""]


def test_what_a_called_person_says_about_money_and_data_is_unknown() -> None:
    assert not {"fraud", "illegal_trade", "privacy", "risk"} & set(CALLED)


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ("PERSON US_SSN", positive("privacy")),
        ("PERSON STREET_ADDRESS", positive("privacy")),
        ("STREET_ADDRESS", None),
        ("PERSON", CLEAN),
        ("", CLEAN),
    ],
)
def test_a_sentence_gives_data_away_by_what_it_names(
    tmp_path: Path, entities: str, expected: dict[str, float] | None
) -> None:
    write(tmp_path / "presidio_pii" / "rows.csv", "text entities", ("x", entities))
    assert labels(tmp_path, "presidio_pii") == ({} if expected is None else {"x": expected})
