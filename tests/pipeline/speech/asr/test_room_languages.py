from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Utterance
from pipeline.speech.asr.room_languages import RoomLanguages
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
