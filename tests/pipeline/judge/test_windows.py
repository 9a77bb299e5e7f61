from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.windows import classify, windows
from tests.pipeline.judge.fakes import WordClassifier


@given(st.text(min_size=1, max_size=2_000).filter(str.strip))
def test_windows_cover_the_text_in_order(text: str) -> None:
    cursor = 0
    for window in windows(text):
        place = text.find(window, max(0, cursor - len(window)))
        assert 0 <= place <= cursor
        cursor = max(cursor, place + len(window))
    assert windows(text)[-1] == text[len(text) - len(windows(text)[-1]) :]


def test_a_short_text_is_one_window_and_a_blank_one_none() -> None:
    assert windows("hello") == ["hello"]
    assert windows("好" * 110) == ["好" * 110]
    assert len(windows("好" * 111)) == 2
    assert windows(" \n") == []


def test_the_end_of_a_long_text_counts() -> None:
    classifier = WordClassifier({"scam": {"fraud": 0.9, "risk": 0.95}})
    scores = classify(classifier, ["ok " * 400 + "scam", "", "fine"], ["en", "en", "en"])
    assert (scores[0]["fraud"], scores[0]["risk"]) == (0.9, 0.95)
    assert scores[1] == {}
    assert scores[2]["risk"] == 0.01


def test_blank_texts_do_not_reach_the_classifier() -> None:
    classifier = WordClassifier()
    assert classify(classifier, ["", " "], ["en", "zh"]) == [{}, {}]
    assert classifier.asked == []
