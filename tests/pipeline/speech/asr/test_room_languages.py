from collections.abc import Mapping, Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Utterance
from pipeline.speech.asr.room_languages import LEAD, MOST, OtherSpeech, RoomLanguages
from tests.builders import utterance

NUMBERS = count()


def spoken(room: str, seconds: float = 1.0) -> Utterance:
    """An utterance of a new speaker."""
    return utterance(room=room, speaker=f"speaker {next(NUMBERS)}", start=0.0, end=seconds)


def test_what_is_heard_decides_where_nothing_is_known() -> None:
    rooms = RoomLanguages(("en", "zh"))
    assert rooms.chooser(spoken("a"))({"en": 0.7, "zh": 0.3}) == "en"
    assert rooms.chooser(spoken("b"))({"en": 0.3, "zh": 0.7}) == "zh"


def test_a_language_that_rooms_do_not_speak_must_be_clear() -> None:
    rooms = RoomLanguages(("en", "zh"))
    assert rooms.chooser(spoken("a"))({"ja": 0.6, "zh": 0.3, "en": 0.1}) == "zh"
    assert rooms.chooser(spoken("a"))({"ja": 0.95, "zh": 0.04, "en": 0.01}) == "zh"
    assert rooms.chooser(spoken("a", 5.0))({"ja": 0.95, "zh": 0.04, "en": 0.01}) == "ja"


def test_another_language_and_music_have_no_vote_in_the_room() -> None:
    rooms = RoomLanguages(("en", "zh"))
    for _ in range(5):
        rooms.chooser(spoken("a", 5.0))({"ja": 0.95, "zh": 0.049, "en": 0.001})
    assert rooms.chooser(spoken("a", 5.0), voiced=False)({"ja": 0.95, "zh": 0.04, "en": 0.01}) == "zh"
    assert rooms.chooser(spoken("a"))({"en": 0.6, "zh": 0.4}) == "en"


def test_a_room_decides_what_is_doubtful_but_not_what_is_clear() -> None:
    rooms = RoomLanguages(("en", "zh"))
    for _ in range(5):
        rooms.chooser(spoken("tea house"))({"en": 0.01, "zh": 0.99})
    assert rooms.chooser(spoken("tea house"))({"en": 0.6, "zh": 0.4}) == "zh"
    assert rooms.chooser(spoken("tea house"))({"en": 0.98, "zh": 0.02}) == "en"
    assert rooms.chooser(spoken("lounge"))({"en": 0.6, "zh": 0.4}) == "en"


def test_a_room_may_change_its_language() -> None:
    rooms = RoomLanguages(("en", "zh"))
    for _ in range(50):
        rooms.chooser(spoken("a"))({"en": 0.01, "zh": 0.99})
    for _ in range(6):
        rooms.chooser(spoken("a"))({"en": 0.99, "zh": 0.01})
    assert rooms.chooser(spoken("a"))({"en": 0.4, "zh": 0.6}) == "en"


def test_what_may_be_no_voice_has_no_vote() -> None:
    rooms = RoomLanguages(("en", "zh"))
    rooms.chooser(spoken("a"))({"en": 0.01, "zh": 0.99})
    for _ in range(5):
        assert rooms.chooser(spoken("a"), voiced=False)({"en": 0.99, "zh": 0.01}) == "en"
    assert rooms.chooser(spoken("a"))({"en": 0.6, "zh": 0.4}) == "zh"


def test_an_english_model_speaks_english() -> None:
    assert RoomLanguages(("zh",)).chooser(spoken("a"))({"en": 1.0}) == "en"


def test_memory_is_bounded() -> None:
    rooms = RoomLanguages(("en", "zh"), max_rooms=2)
    for _ in range(5):
        rooms.chooser(spoken("first"))({"en": 0.01, "zh": 0.99})
    for room in ("second", "third"):
        rooms.chooser(spoken(room))({"en": 0.9, "zh": 0.1})
    assert rooms.chooser(spoken("first"))({"en": 0.6, "zh": 0.4}) == "en"


@given(st.dictionaries(st.sampled_from(["en", "zh", "ja", "ko"]), st.floats(0, 1), min_size=1))
def test_always_names_a_language_that_was_heard(probabilities: dict[str, float]) -> None:
    assert RoomLanguages(("en", "zh")).chooser(spoken("a"))(probabilities) in probabilities


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


def test_the_memory_of_speakers_is_bounded() -> None:
    others = OtherSpeech(("en", "zh"), max_speakers=2)
    for speaker in ("ann", "ben", "eve"):
        said((FRENCH, 5.0), speaker=speaker, others=others)
    assert [others.of(utterance(speaker=speaker), FRENCH) for speaker in ("ann", "ben", "eve")] == ["", "fr", "fr"]


@given(st.lists(st.tuples(st.sampled_from([FRENCH, SPANISH, ENGLISH, MANDARIN, PERHAPS]), st.floats(0.3, 15))))
def test_it_is_always_the_likeliest_language_of_the_utterance(spoken: list[Spoken]) -> None:
    for (probabilities, _), language in zip(spoken, said(*spoken), strict=True):
        assert language in {"", max(probabilities, key=lambda each: probabilities[each])} - {"en", "zh"}
