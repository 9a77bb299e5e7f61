"""A change of the voice in a stream, with its span."""

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.detector import SoundSpan
from pipeline.sound.voices import voice_detector as module
from pipeline.sound.voices.change import KNOWN, LIMIT
from pipeline.sound.voices.speech import SpeechParts
from pipeline.sound.voices.voice_detector import MODEL, VoiceEar, score_of
from pipeline.sound.voices.voice_embedding import Embeddings, embed
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key
from tests.pipeline.sound.voices.speakers import allison, reader

DAY = 1_790_000_003 * SAMPLE_RATE + 77
MINUTE = 60 * SAMPLE_RATE


def heard(
    ear: VoiceEar, sound: Samples, start: int = DAY, key: Key = ("r", "s"), size: int = SAMPLE_RATE
) -> list[SoundSpan]:
    detector = ear.detector(start, key)
    blocks = np.split(sound, range(size, sound.size, size))
    return [span for block in blocks for span in detector.push(block)] + [*detector.flush()]


def spans(sound: Samples, size: int = SAMPLE_RATE) -> list[SoundSpan]:
    return heard(VoiceEar(True, 9), sound, size=size)


def test_another_voice_is_reported_with_the_end_of_the_voice_before() -> None:
    [found] = spans(np.concatenate([allison(), reader()]))
    assert found.key == ("voice_change", "")
    assert (found.label, found.model) == ("", MODEL)
    assert 0.5 < found.heard.score <= 1
    change = allison().size
    assert 2 < (DAY + change - found.start) / SAMPLE_RATE < 12
    assert 2 < (found.end - DAY - change) / SAMPLE_RATE < 16


def test_one_voice_is_not_reported() -> None:
    assert spans(np.concatenate([allison(), allison()])) == []


def test_it_rests_while_the_voice_is_surely_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sound, calls = np.concatenate([allison(), allison()]), 0

    def counted(parts: Sequence[Samples]) -> Embeddings:
        nonlocal calls
        calls += len(parts)
        return embed(parts)

    monkeypatch.setattr(module, "embed", counted)
    assert spans(sound) == []
    assert KNOWN < calls < 0.8 * len([*SpeechParts(DAY).push(sound)])


def test_the_sizes_of_the_blocks_do_not_matter() -> None:
    sound = np.concatenate([allison(), reader()])
    assert spans(sound, 4_000) == spans(sound, 50_000) == spans(sound)


def test_a_voice_is_remembered_while_the_speaker_is_muted() -> None:
    later = DAY + allison().size + 10 * MINUTE
    ear = VoiceEar(True, 9)
    assert heard(ear, allison()) == []
    assert heard(ear, reader(), later, ("r", "another")) == []
    [found] = heard(ear, reader(), later)
    assert later <= found.start < found.end <= later + reader().size


def test_a_voice_is_forgotten_after_half_an_hour() -> None:
    ear = VoiceEar(True, 9)
    heard(ear, allison())
    assert heard(ear, reader(), DAY + allison().size + 31 * MINUTE) == []


def test_the_accounts_that_spoke_last_are_remembered() -> None:
    later = DAY + allison().size
    for most, changes in ((1, 0), (2, 1)):
        ear = VoiceEar(True, most)
        heard(ear, allison())
        ear.detector(later, ("r", "another"))
        assert len(heard(ear, reader(), later)) == changes


def test_audio_that_is_read_again_changes_nothing() -> None:
    ear, sound = VoiceEar(True, 9), np.concatenate([allison(), reader()])
    assert len(heard(ear, sound)) == 1
    again = sound.size - 24 * SAMPLE_RATE
    assert heard(ear, sound[again:], DAY + again) == []
    assert heard(ear, reader(), DAY + sound.size) == []


def test_a_clock_that_was_wrong_does_not_stay_wrong() -> None:
    ear = VoiceEar(True, 9)
    heard(ear, reader(), DAY + 1_440 * MINUTE)
    assert len(heard(ear, np.concatenate([allison(), reader()]))) == 1


def test_the_ear_is_switched_on_by_the_settings() -> None:
    ear = VoiceEar(True, 9)
    ear.look()
    assert (ear.awake, ear.edition) == (True, 0)
    assert not VoiceEar(False, 9).awake


def test_the_score_grows_as_the_voices_differ() -> None:
    assert score_of(LIMIT) == pytest.approx(0.5)
    assert score_of(2 * LIMIT - 1) == pytest.approx(0.75)
    assert score_of(LIMIT) < score_of(0.5) < score_of(0) < 1
