"""Which utterances count as speech in another language. The rooms speak English and Mandarin."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.speech.asr.room_languages import LEAD, MOST, OtherSpeech
from tests.builders import utterance

FRENCH = {"fr": 0.97, "en": 0.02, "zh": 0.01}
SPANISH = {"es": 0.97, "en": 0.02, "zh": 0.01}
ENGLISH = {"en": 0.97, "fr": 0.02, "zh": 0.01}
MANDARIN = {"zh": 0.97, "en": 0.02, "fr": 0.01}
PERHAPS = {"fr": 0.6, "en": 0.3, "zh": 0.1}
MIXED = {"fr": 0.45, "en": 0.4, "zh": 0.15}

Spoken = tuple[Mapping[str, float], float]
"""Probabilities, and seconds."""


def said(*spoken: Spoken, speaker: str = "ann", others: OtherSpeech | None = None) -> list[str]:
    """The other language of each utterance of one speaker."""
    others = others or OtherSpeech(("en", "zh"))
    found = []
    for number, (probabilities, seconds) in enumerate(spoken):
        one = utterance(str(number), 20.0 * number, 20.0 * number + seconds, speaker=speaker)
        found.append(others.of(one, probabilities))
        others.remember(one, probabilities)
    return found


def test_one_clear_utterance_of_some_seconds_is_enough() -> None:
    assert said((FRENCH, LEAD)) == ["fr"]


def test_several_short_ones_are_enough() -> None:
    assert said(*[(FRENCH, 1.0)] * 4) == ["", "", "fr", "fr"]


@pytest.mark.parametrize("probabilities", [ENGLISH, MANDARIN, PERHAPS, MIXED])
def test_a_language_of_the_settings_and_an_unclear_one_are_never_another(probabilities: Mapping[str, float]) -> None:
    assert said(*[(probabilities, 5.0)] * 9) == [""] * 9


@pytest.mark.parametrize("seconds", [0.5, 1.0, 2.9])
def test_a_word_or_a_borrowed_sentence_does_not_count(seconds: float) -> None:
    talk: Sequence[Spoken] = [(ENGLISH, 2.0), (FRENCH, seconds), (MANDARIN, 3.0)]
    assert said(*[*talk, *talk, *talk]) == [""] * 9


def test_different_languages_do_not_add_up() -> None:
    assert said(*[(FRENCH, 2.0), (SPANISH, 2.0)] * 4) == [""] * 8


def test_a_speaker_of_another_language_is_followed_through_unclear_speech_but_not_into_english() -> None:
    assert said((FRENCH, 4.0), (PERHAPS, 0.8), (MIXED, 0.8), (ENGLISH, 0.5), (FRENCH, 0.5)) == [
        "fr",
        "fr",
        "",
        "",
        "fr",
    ]


def test_a_speaker_may_change_the_language() -> None:
    turns = round((MOST + LEAD) / 3)
    assert said(*[(ENGLISH, 3.0)] * 9, *[(FRENCH, 3.0)] * turns)[-1] == "fr"
    assert said(*[(FRENCH, 3.0)] * 9, *[(ENGLISH, 3.0)] * 2, (FRENCH, 2.0))[-1] == ""


def test_speakers_and_rooms_are_apart() -> None:
    others = OtherSpeech(("en", "zh"))
    said((FRENCH, 5.0), speaker="ann", others=others)
    assert said((FRENCH, 1.0), speaker="ben", others=others) == [""]
    assert others.of(utterance("x", room="elsewhere"), FRENCH) == ""
    assert others.of(utterance("x"), FRENCH) == "fr"


def test_memory_is_bounded() -> None:
    others = OtherSpeech(("en", "zh"), max_speakers=2)
    for speaker in ("ann", "ben", "eve"):
        said((FRENCH, 5.0), speaker=speaker, others=others)
    assert [others.of(utterance(speaker=speaker), FRENCH) for speaker in ("ann", "ben", "eve")] == ["", "fr", "fr"]


@given(st.lists(st.tuples(st.sampled_from([FRENCH, SPANISH, ENGLISH, MANDARIN, PERHAPS]), st.floats(0.3, 15))))
def test_it_is_always_the_likeliest_language_of_the_utterance(spoken: list[Spoken]) -> None:
    for (probabilities, _), language in zip(spoken, said(*spoken), strict=True):
        assert language in {"", max(probabilities, key=lambda each: probabilities[each])} - {"en", "zh"}
