import pytest

from pipeline.contract.messages import Word
from pipeline.speech.asr.transcripts import Overlaps, without_repeat, words_left
from tests.pipeline.speech.asr.parts import utterance


@pytest.mark.parametrize(
    ("before", "text", "left"),
    [
        ("and then we went to the", "to the shop on the corner", "shop on the corner"),
        ("and then we went to the", "went to the shop", "shop"),
        ("we are looking for some", "something for her", "something for her"),
        ("he was in the gar", "in the garden all day", "garden all day"),
        ("we met at the station", "tion at the station, and left", "and left"),
        ("please wait a moment", "Wait a moment, while I look", "while I look"),
        ("I want a colour printer", "a color printer. It is cheap", "It is cheap"),
        ("one thing", "quite another thing", "quite another thing"),
        ("我们明天下午三点", "下午三点在门口见", "在门口见"),
        ("我们明天下午三点", "午三点在门口见", "在门口见"),
        ("你先把钱打过来", "我不认识你", "我不认识你"),
        ("", "hello there", "hello there"),
        ("hello there", "", ""),
        ("all of it", "all of it", ""),
    ],
)
def test_repeated_words_are_removed(before: str, text: str, left: str) -> None:
    assert without_repeat(before, text, 0.5) == left


def test_words_are_removed_only_after_a_forced_cut_of_the_same_speaker() -> None:
    overlaps = Overlaps()
    assert overlaps.trim(utterance(0, 15, forced=True), "so I went to the") == "so I went to the"
    assert overlaps.trim(utterance(14.5, 3, speaker="ben", overlap=0.5), "to the bank") == "to the bank"
    assert overlaps.trim(utterance(14.5, 3, overlap=0.5), "to the bank") == "bank"
    assert overlaps.trim(utterance(17, 3), "to the bank") == "to the bank"


def test_words_are_removed_after_several_forced_cuts() -> None:
    overlaps = Overlaps()
    overlaps.trim(utterance(0, 15, forced=True), "one two three")
    assert overlaps.trim(utterance(14.5, 15, overlap=0.5, forced=True), "two three four five") == "four five"
    assert overlaps.trim(utterance(29.0, 5, overlap=0.5), "five six") == "six"


def test_a_redelivered_utterance_does_not_repeat_itself() -> None:
    """The first "no" of the text does not repeat its last one."""
    overlaps = Overlaps()
    again = utterance(14.5, 15, overlap=0.5, forced=True)
    for _ in range(2):
        assert overlaps.trim(again, "no, that is mine, I said no") == "no, that is mine, I said no"


def test_memory_is_bounded() -> None:
    overlaps = Overlaps(max_speakers=1)
    for speaker in ("ana", "ben"):
        overlaps.trim(utterance(0, 15, speaker=speaker, forced=True), "so I went to the")
    assert overlaps.trim(utterance(14.5, 3, overlap=0.5), "to the bank") == "to the bank"
    assert overlaps.trim(utterance(14.5, 3, speaker="ben", overlap=0.5), "to the bank") == "bank"


def test_the_words_match_the_remaining_text() -> None:
    words = tuple(Word(text, i, i + 1) for i, text in enumerate(["to", "the", "bank,", "now"]))
    assert [word.text for word in words_left(words, "bank, now")] == ["bank,", "now"]
    assert words_left(words, "to the bank, now") == words
    assert words_left(words, "") == ()
