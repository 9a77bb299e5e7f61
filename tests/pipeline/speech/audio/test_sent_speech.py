"""Speech that an earlier worker returned is not returned again, although it is cut at another place now."""

import numpy as np
import pytest
from msgspec import structs

from pipeline.contract.messages import SAMPLE_RATE, Utterance
from pipeline.speech.audio.cutter import Cut
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.sent_speech import SentSpeech
from pipeline.speech.audio.speaker import SpeechPiece
from tests.builders import utterance

KEY = ("r", "ann")
START = 1_790_000_000 * SAMPLE_RATE


def said(seconds: float, *, speaker: str = "ann", start: int = START) -> Utterance:
    begun = start / SAMPLE_RATE
    return utterance("told", begun, begun + seconds, room="r", speaker=speaker, data=b"")


def audio(seconds: float) -> Samples:
    return np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32)


def piece(seconds: float) -> SpeechPiece:
    return SpeechPiece({}, START, Cut(320, audio(seconds), forced=True, overlap=160))


def sent(*utterances: Utterance) -> SentSpeech:
    made = SentSpeech()
    made.note(utterances)
    return made


@pytest.mark.parametrize(("new", "repeated"), [(4.0, 0.5), (0.5, 0.5), (0.2, 0.2)])
def test_the_rest_has_an_overlap_as_after_a_forced_cut(new: float, repeated: float) -> None:
    rest = sent(said(3.0)).rest(KEY, piece(3.0 + new))
    assert rest is not None
    at = round((3.0 - repeated) * SAMPLE_RATE)
    assert (rest.start, rest.cut.start, rest.cut.forced) == (START + at, 320 + at, True)
    assert rest.cut.overlap == round(repeated * SAMPLE_RATE)
    assert np.array_equal(rest.cut.samples, audio(3.0 + new)[at:])


@pytest.mark.parametrize("now", [1.0, 2.9, 3.0, 3.1])
def test_speech_without_enough_new_audio_has_no_rest(now: float) -> None:
    assert sent(said(3.0)).rest(KEY, piece(now)) is None


def test_speech_with_another_start_or_speaker_is_returned_whole() -> None:
    one = piece(5.0)
    assert sent(said(3.0, speaker="ben"), said(3.0, start=START + 1)).rest(KEY, one) is one
    assert sent().rest(KEY, one) is one


def test_the_longest_returned_utterance_counts() -> None:
    assert sent(said(4.0), structs.replace(said(3.0), id="shorter")).rest(KEY, piece(4.0)) is None


def test_speech_may_be_returned_in_several_parts() -> None:
    first = said(3.0)
    rest = sent(first).rest(KEY, piece(5.0))
    assert rest is not None
    second = said(2.5, start=rest.start)
    last = sent(first, second).rest(KEY, piece(8.0))
    assert last is not None
    assert last.start == START + round(4.5 * SAMPLE_RATE)


def test_the_number_of_remembered_utterances_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.speech.audio.sent_speech.MAX_REMEMBERED", 2)
    one = piece(5.0)
    assert sent(*(said(3.0, start=START + number) for number in range(3))).rest(KEY, one) is one
