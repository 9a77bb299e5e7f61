"""The order of the algorithm's steps, with a network that returns given results and remembers its calls."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.asr import whisper_recogniser
from pipeline.speech.asr.hypothesis import Hypothesis
from pipeline.speech.asr.recogniser import Clip, HasRoom, Recognition, TimedWord, always_room
from pipeline.speech.asr.whisper_adapter import WIDEST
from pipeline.speech.asr.whisper_input import FRAMES_PER_SECOND, POSITIONS_PER_SECOND, Mel, limit_of
from pipeline.speech.asr.whisper_recogniser import BeamSearch, WhisperRecogniser
from tests.pipeline.speech.asr.parts import speech

FIRST = BeamSearch(2)
WIDE = BeamSearch(5)
LAST = BeamSearch(5, no_repeat=3)
LOOP = "get out " * 9

Say = Callable[[BeamSearch], str]


@dataclass
class Told:
    """A `WhisperNetwork` with one worker and given results."""

    say: Say
    heard: Mapping[float, Mapping[str, float]] = field(default_factory=dict)
    """Language probabilities by limit in seconds. Other limits give English."""
    tokens: int = 4
    logprob: float = -0.1
    logprobs: Mapping[str, float] = field(default_factory=dict)
    """Mean log-probability by language, if it is not `logprob`."""
    adapted: str = ""
    """The language that has an adapter."""
    adapted_logprob: float = -0.1
    ends: Mapping[float, float] = field(default_factory=dict)
    """Seconds at which a text ends, by limit."""
    search: BeamSearch = FIRST
    """The search for the first decode."""
    contexts: list[float] = field(default_factory=list)
    """Length of each encoding in seconds."""
    languages_encoded: list[str] = field(default_factory=list)
    """Language of each encoding."""
    searches: list[tuple[float, BeamSearch]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    bands = 80
    workers = 1
    encodes = 1
    batch = 8

    def encode(self, mels: Sequence[Mel], language: str = "") -> list[NDArray[np.float32]]:
        self.contexts += [mel.shape[1] / FRAMES_PER_SECOND for mel in mels]
        self.languages_encoded += [language] * len(mels)
        return [np.zeros((mel.shape[1] // 2, 1), np.float32) for mel in mels]

    def languages(self, encodings: Sequence[NDArray[np.float32]], limit: float) -> list[Mapping[str, float]]:
        assert all(len(encoding) <= limit * POSITIONS_PER_SECOND for encoding in encodings)
        self.batches.append(len(encodings))
        return [self.heard.get(limit, {"en": 0.9, "zh": 0.1}) for _ in encodings]

    def adapts(self, language: str, limit: float) -> bool:
        return language == self.adapted and limit <= 12

    def decode(
        self,
        encodings: Sequence[NDArray[np.float32]],
        language: str,
        lengths: Sequence[float],
        limit: float,
        how: BeamSearch,
    ) -> list[list[Hypothesis]]:
        self.searches.append((limit, how))
        logprob = self.adapted_logprob if how.adapted else self.logprobs.get(language, self.logprob)
        return [
            [Hypothesis(language, (1,) * self.tokens, self.say(how), logprob, 0.1, seconds, how.adapted, end)]
            for seconds in lengths
            if (end := self.ends.get(limit, math.inf))
        ]

    def words(self, mel: Mel, heard: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
        return ()


def transcribe(
    network: Told, *seconds: float, language: str | None = None, has_room: HasRoom = always_room
) -> list[Recognition]:
    clips = [Clip(np.zeros(round(each * SAMPLE_RATE), np.float32), language) for each in seconds]
    with patch.object(whisper_recogniser, "first_search", lambda language: network.search):
        return WhisperRecogniser(network, "told").transcribe(clips, has_room=has_room)


def test_a_loop_is_decoded_with_more_context_and_then_without_repetitions() -> None:
    network = Told(lambda how: "get out of here" if how == LAST else LOOP)
    (found,) = transcribe(network, 3.0)
    assert found.text == "get out of here"
    assert network.searches == [(5.0, FIRST), (12.0, WIDE), (30.0, LAST)]
    assert network.contexts == [4.0, 12.0, 30.0]


def test_the_second_decode_of_a_long_loop_suppresses_repetitions() -> None:
    network = Told(lambda how: LOOP if how == FIRST else "get out of here")
    transcribe(network, 15.0)
    assert network.searches == [(17.0, FIRST), (30.0, LAST)]


def test_a_clip_that_always_loops_is_decoded_three_times() -> None:
    network = Told(lambda how: LOOP)
    (found,) = transcribe(network, 9.0)
    assert found.text == LOOP
    assert network.searches == [(12.0, FIRST), (12.0, WIDE), (30.0, LAST)]


@pytest.mark.parametrize(("seconds", "context"), [(2.0, 12.0), (10.9, 12.0), (11.0, 30.0), (14.0, 30.0)])
def test_an_unsure_clip_gets_the_smallest_context_with_one_second_of_margin(seconds: float, context: float) -> None:
    network = Told(lambda how: "hello", logprob=-0.7)
    transcribe(network, seconds)
    assert network.searches[1:] == [(context, WIDE)]


def test_the_longest_clips_are_encoded_and_decoded_first() -> None:
    network = Told(lambda how: "hello")
    transcribe(network, 2.0, 20.0, 6.0)
    assert network.contexts == [21.0, 7.0, 3.0]
    assert [limit for limit, _ in network.searches] == [23.0, 8.0, 3.0]


def test_an_unclear_language_is_detected_again_with_30_seconds() -> None:
    network = Told(lambda how: "你好", heard={5.0: {"en": 0.3, "zh": 0.2}, 30.0: {"en": 0.2, "zh": 0.6}})
    near, far = transcribe(network, 3.0, 6.0)
    assert (near.language, near.language_probability) == ("zh", 0.6)
    assert far.language == "en"
    assert network.contexts == [7.0, 4.0, 30.0, 5.0]


@pytest.mark.parametrize(
    ("heard", "only", "is_clear"),
    [
        ({"en": 0.4, "zh": 0.1, "cy": 0.2}, {"en", "zh"}, True),
        ({"en": 0.4, "zh": 0.2, "cy": 0.2}, {"en", "zh"}, False),
        ({"en": 0.3, "zh": 0.0, "cy": 0.4}, {"en", "zh"}, False),
        ({"en": 0.4, "zh": 0.1, "cy": 0.2}, set(), False),
    ],
)
def test_a_language_that_leads_those_to_transcribe_is_clear(
    heard: Mapping[str, float], only: set[str], is_clear: bool
) -> None:
    network = Told(lambda how: "hello", heard={5.0: heard})
    clip = Clip(np.zeros(3 * SAMPLE_RATE, np.float32), only=frozenset(only))
    WhisperRecogniser(network, "told", batch=8).transcribe([clip])
    assert (30.0 not in network.contexts) is is_clear


def rest_of(seconds: float, end: float, **told: Any) -> tuple[Recognition, Told]:
    """The recognition of a clip with a voice whose text ends too early."""
    network = Told(lambda how: "hello", ends={limit_of(round((seconds + 1) * POSITIONS_PER_SECOND)): end}, **told)
    clip = Clip(np.resize(speech("conf-invalidpin"), round(seconds * SAMPLE_RATE)), only=frozenset({"en", "zh"}))
    (found,) = WhisperRecogniser(network, "told", batch=8).transcribe([clip])
    return found, network


def test_the_rest_of_a_clip_is_decoded_in_its_own_language() -> None:
    found, network = rest_of(3.0, 1.0, heard={3.0: {"en": 0.1, "zh": 0.9}})
    assert (found.text, found.language) == ("hello hello", "zh")
    assert len(network.searches) == 2


@pytest.mark.parametrize(("end", "logprob"), [(2.5, -0.1), (1.0, -1.2), (math.inf, -0.1)])
def test_a_short_or_an_unsure_rest_adds_no_words(end: float, logprob: float) -> None:
    found, _ = rest_of(3.0, end, logprob=logprob)
    assert found.text == "hello"


def test_a_rest_without_a_voice_is_not_decoded() -> None:
    network = Told(lambda how: "hello", ends={5.0: 1.0})
    transcribe(network, 3.0)
    assert network.searches == [(5.0, FIRST)]


ADAPTED = replace(FIRST, adapted=True)


def no_room() -> bool:
    return False


@pytest.mark.parametrize("logprob", [-0.1, -0.9])
def test_the_text_is_whispers_own_and_the_adapters_is_another_reading(logprob: float) -> None:
    network = Told(lambda how: "adapter" if how.adapted else "Whisper", logprob=logprob, adapted="zh")
    (found,) = transcribe(network, 3.0, language="zh")
    assert (found.text, found.avg_logprob, found.adapter) == ("Whisper", logprob, "read")
    assert [other.text for other in found.alternatives] == ["adapter"]
    assert network.searches == [(5.0, FIRST), (5.0, ADAPTED)]
    assert network.languages_encoded == ["", "zh"]
    assert network.contexts == [5.0, 5.0]


def test_the_adapter_searches_narrowly() -> None:
    network = Told(lambda how: "hello", adapted="zh", search=WIDE)
    transcribe(network, 3.0, language="zh")
    assert network.searches == [(5.0, WIDE), (5.0, BeamSearch(WIDEST, adapted=True))]


def test_without_room_the_adapter_is_skipped_and_the_text_stays() -> None:
    network = Told(lambda how: "adapter" if how.adapted else "Whisper", adapted="zh")
    (found,) = transcribe(network, 3.0, language="zh", has_room=no_room)
    assert (found.text, found.alternatives, found.adapter) == ("Whisper", (), "skipped")
    assert network.searches == [(5.0, FIRST)]


@pytest.mark.parametrize("has_room", [always_room, no_room])
def test_the_adapters_text_is_kept_if_whisper_only_loops(has_room: HasRoom) -> None:
    """A text does not depend on room."""
    network = Told(lambda how: "adapter" if how.adapted else LOOP, adapted="zh")
    (found,) = transcribe(network, 3.0, language="zh", has_room=has_room)
    assert found.text == "adapter"
    assert network.searches == [(5.0, FIRST), (12.0, WIDE), (30.0, LAST), (5.0, ADAPTED)]


@pytest.mark.parametrize(("seconds", "language"), [(11.5, "zh"), (3.0, "en")])
def test_long_clips_and_other_languages_have_no_adapter(seconds: float, language: str) -> None:
    network = Told(lambda how: "hello", adapted="zh")
    (found,) = transcribe(network, seconds, language=language, has_room=no_room)
    assert found.adapter == "none"


def test_a_suspicious_clip_gets_more_context_before_the_adapter() -> None:
    network = Told(lambda how: "nobody", logprob=-1.2, adapted="zh", adapted_logprob=-1.1)
    transcribe(network, 3.0, language="zh")
    assert network.searches == [(5.0, FIRST), (12.0, WIDE), (5.0, ADAPTED)]


def test_two_readings_that_differ_only_in_the_variant_are_one() -> None:
    network = Told(lambda how: "欢迎" if how.adapted else "歡迎", adapted="zh")
    (found,) = transcribe(network, 3.0, language="zh")
    assert found.text == "欢迎"
    assert found.alternatives == ()


def test_clips_of_two_languages_are_in_separate_batches() -> None:
    network = Told(lambda how: "hello")
    clips = [Clip(np.zeros(2 * SAMPLE_RATE, np.float32), language) for language in ("zh", "en", "zh")]
    found = WhisperRecogniser(network, "told", batch=8).transcribe(clips)
    assert [one.language for one in found] == ["zh", "en", "zh"]
    assert len(network.searches) == 2


def test_languages_are_detected_in_batches_of_one_limit() -> None:
    network = Told(lambda how: "hello")
    transcribe(network, 3.0, 6.0, 3.5, 4.0)
    assert sorted(network.batches) == [1, 3]


def test_mandarin_may_have_more_tokens_per_second_than_english() -> None:
    fast = Told(lambda how: "说得很快", tokens=30)
    transcribe(fast, 2.5)
    assert fast.searches[-1] == (12.0, WIDE)
    fast = Told(lambda how: "说得很快", tokens=30, heard={5.0: {"zh": 1.0}})
    transcribe(fast, 2.5)
    assert fast.searches == [(5.0, FIRST)]


@pytest.mark.parametrize(("seconds", "context"), [(2.0, 3.0), (3.0, 5.0), (11.1, 17.0), (29.0, 30.0), (29.9, 30.0)])
def test_mandarin_has_zero_padding_of_one_second_or_more(seconds: float, context: float) -> None:
    network = Told(lambda how: "你好")
    transcribe(network, seconds, language="zh")
    assert network.contexts == [context]
    assert network.searches == [(context, FIRST)]


def test_unsure_mandarin_gets_more_context() -> None:
    network = Told(lambda how: "你好", logprob=-1.2)
    transcribe(network, 10.5, language="zh")
    assert network.searches == [(12.0, FIRST), (30.0, WIDE)]


@pytest.mark.parametrize("first", [FIRST, WIDE])
def test_no_clip_is_decoded_twice_with_the_same_parameters(first: BeamSearch) -> None:
    """At 30 s there is no longer context, but a narrow beam can still become a wide one."""
    network = Told(lambda how: "你好", logprob=-1.2, search=first)
    transcribe(network, 25.0, language="zh")
    assert network.searches == list(dict.fromkeys([(30.0, first), (30.0, WIDE)]))


def test_the_second_decode_of_mandarin_that_loops_at_30_seconds_suppresses_repetitions() -> None:
    network = Told(lambda how: LOOP)
    transcribe(network, 25.0, language="zh")
    assert network.searches == [(30.0, FIRST), (30.0, LAST)]


def test_a_clip_in_a_language_that_nobody_asks_for_is_not_decoded() -> None:
    network = Told(lambda how: "hello", heard={3.0: {"en": 0.01, "fr": 0.99}})
    clips = [Clip(np.zeros(round(seconds * SAMPLE_RATE), np.float32), only=frozenset({"en"})) for seconds in (1.0, 3.5)]
    french, english = WhisperRecogniser(network, "told", batch=8).transcribe(clips, words=True)
    assert (french.text, french.language, french.language_probability) == ("", "fr", 0.99)
    assert (french.words, french.alternatives) == ((), ())
    assert (english.text, english.language) == ("hello", "en")
    assert [limit for limit, _ in network.searches] == [5.0]


def heard_as(chances: Mapping[str, float], voice: float = 1.0, **told: Any) -> tuple[str, str, int]:
    """Language and text of a clip that the room takes for English, and the number of decodes."""
    network = Told(lambda how: "hello", heard={5.0: chances, 30.0: chances}, **told)
    clip = Clip(np.zeros(3 * SAMPLE_RATE, np.float32), choose=lambda _: "en", only=frozenset({"en", "zh"}), voice=voice)
    (found,) = WhisperRecogniser(network, "told", batch=8).transcribe([clip])
    return found.language, found.text, len(network.searches)


FRENCH = {"en": 0.3, "zh": 0.1, "fr": 0.6}


@pytest.mark.parametrize(
    ("french", "voice", "found"),
    [(-0.4, 1.0, ("fr", "", 2)), (-0.6, 1.0, ("en", "hello", 2)), (-0.4, 0.5, ("en", "hello", 1))],
)
def test_a_clip_is_in_another_language_whose_words_are_likelier(
    french: float, voice: float, found: tuple[str, str, int]
) -> None:
    """But not if it may be music."""
    assert heard_as(FRENCH, voice, logprobs={"en": -0.5, "fr": french}) == found


@pytest.mark.parametrize(
    ("chances", "logprob", "language"),
    [
        ({"en": 0.3, "fr": 0.2, "it": 0.1}, -1.1, "fr"),
        ({"en": 0.3, "fr": 0.2, "it": 0.1}, -0.9, "en"),
        ({"en": 0.25, "zh": 0.2, "fr": 0.2}, -1.1, "en"),
    ],
)
def test_an_unsure_text_that_is_probably_in_another_language_is_invented(
    chances: Mapping[str, float], logprob: float, language: str
) -> None:
    assert heard_as(chances, logprob=logprob)[:2] == (language, "" if language == "fr" else "hello")
