"""Utterances in doubt are read with the speech before them, and the higher score counts."""

import pytest

from pipeline.judge import in_context
from pipeline.judge.conversations import Conversations
from pipeline.judge.in_context import LEAST, MOST
from tests.builders import transcript
from tests.pipeline.judge.fakes import WordClassifier

SAID = [transcript("i will", 100.0), transcript("bob says", 103.0, speaker="bob"), transcript("find you", 106.0)]
DOUBT = {"risk": 0.6}


def asked(classifier: WordClassifier, *alone: dict[str, float], text: str = "find you") -> list[str]:
    said = [*SAID[:2], transcript(text, 106.0)]
    in_context.classify(classifier, said, Conversations().follow(said), alone)
    return classifier.asked


def test_the_speakers_own_words_come_right_before_the_utterance() -> None:
    assert asked(WordClassifier(context=True), {}, {}, DOUBT) == ["bob says</s>i will</s>find you"]


def test_the_first_words_of_a_room_have_no_context() -> None:
    assert asked(WordClassifier(context=True), DOUBT, {}, {}) == []


@pytest.mark.parametrize(("risk", "read"), [(LEAST / 2, 0), (LEAST, 1), (MOST - 0.001, 1), (MOST, 0)])
def test_only_utterances_in_doubt_are_read_again(risk: float, read: int) -> None:
    assert len(asked(WordClassifier(context=True), {}, {}, {"risk": risk})) == read


def test_a_long_text_has_its_context_in_itself() -> None:
    assert asked(WordClassifier(context=True), {}, {}, DOUBT, text="find you " * 60) == []


def test_only_a_classifier_that_was_trained_with_context_gets_it() -> None:
    assert asked(WordClassifier(), DOUBT, DOUBT, DOUBT) == []


def test_scores_have_the_place_of_their_utterance() -> None:
    classifier = WordClassifier({"i will</s>find": {"violence": 0.9}}, context=True)
    found = in_context.classify(classifier, SAID, Conversations().follow(SAID), [DOUBT, {}, DOUBT])
    assert [scores.get("violence") for scores in found] == [None, None, 0.9]
