"""A change of the voice in a stream, with its span."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound import voice_change_detector as module
from pipeline.sound.sound_detector import SoundSpan
from pipeline.sound.voice_change_detector import (
    BLOCK,
    FRESH,
    KNOWN,
    LIMIT,
    MODEL,
    Embedding,
    SpeechPart,
    SpeechParts,
    VoiceChangeDetectors,
    Voices,
    score_of,
    similarity,
)
from pipeline.sound.voice_embedding import PART, SIZE, Embeddings, embed
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key
from tests.pipeline.sound.two_speakers import allison, reader

DAY = 1_790_000_003 * SAMPLE_RATE + 77
MINUTE = 60 * SAMPLE_RATE


def heard(
    ear: VoiceChangeDetectors, sound: Samples, start: int = DAY, key: Key = ("r", "s"), size: int = SAMPLE_RATE
) -> list[SoundSpan]:
    detector = ear.detector(start, key)
    blocks = np.split(sound, range(size, sound.size, size))
    return [span for block in blocks for span in detector.push(block)] + [*detector.flush()]


def spans(sound: Samples, size: int = SAMPLE_RATE) -> list[SoundSpan]:
    return heard(VoiceChangeDetectors(True, 9), sound, size=size)


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
    ear = VoiceChangeDetectors(True, 9)
    assert heard(ear, allison()) == []
    assert heard(ear, reader(), later, ("r", "another")) == []
    [found] = heard(ear, reader(), later)
    assert later <= found.start < found.end <= later + reader().size


def test_a_voice_is_forgotten_after_half_an_hour() -> None:
    ear = VoiceChangeDetectors(True, 9)
    heard(ear, allison())
    assert heard(ear, reader(), DAY + allison().size + 31 * MINUTE) == []


def test_the_accounts_that_spoke_last_are_remembered() -> None:
    later = DAY + allison().size
    for most, changes in ((1, 0), (2, 1)):
        ear = VoiceChangeDetectors(True, most)
        heard(ear, allison())
        ear.detector(later, ("r", "another"))
        assert len(heard(ear, reader(), later)) == changes


def test_audio_that_is_read_again_changes_nothing() -> None:
    ear, sound = VoiceChangeDetectors(True, 9), np.concatenate([allison(), reader()])
    assert len(heard(ear, sound)) == 1
    again = sound.size - 24 * SAMPLE_RATE
    assert heard(ear, sound[again:], DAY + again) == []
    assert heard(ear, reader(), DAY + sound.size) == []


def test_a_clock_that_was_wrong_does_not_stay_wrong() -> None:
    ear = VoiceChangeDetectors(True, 9)
    heard(ear, reader(), DAY + 1_440 * MINUTE)
    assert len(heard(ear, np.concatenate([allison(), reader()]))) == 1


def test_the_ear_is_switched_on_by_the_settings() -> None:
    ear = VoiceChangeDetectors(True, 9)
    ear.look()
    assert (ear.awake, ear.edition) == (True, 0)
    assert not VoiceChangeDetectors(False, 9).awake


def test_the_score_grows_as_the_voices_differ() -> None:
    assert score_of(LIMIT) == pytest.approx(0.5)
    assert score_of(2 * LIMIT - 1) == pytest.approx(0.75)
    assert score_of(LIMIT) < score_of(0.5) < score_of(0) < 1


def voice(seed: int, like: int = 0, share: float = 0.0) -> Embedding:
    """A voice of its own, or with a `share` of the voice `like`."""
    own = np.eye(SIZE, dtype=np.float32)
    mixed: Embedding = (share * own[like] + np.sqrt(1 - share**2) * own[seed]).astype(np.float32)
    return mixed


def changes(heard: list[Embedding]) -> list[int]:
    voices = Voices()
    return [number for number, each in enumerate(heard) if voices.add(each) is not None]


def test_a_voice_alone_is_no_change() -> None:
    assert changes([voice(1)] * 100) == []
    assert changes([voice(1), voice(2)] * 50) == [], "two who always take turns are known together"


def test_another_voice_is_noticed_once_it_has_spoken_long_enough() -> None:
    found = changes([voice(1)] * KNOWN + [voice(2)] * 20)
    assert found == [KNOWN + FRESH]
    assert changes([voice(1)] * KNOWN + [voice(2)] * FRESH) == []


def test_a_change_is_noticed_when_the_speech_ends() -> None:
    voices = Voices()
    assert [voices.add(each) for each in [voice(1)] * KNOWN + [voice(2)] * FRESH] == [None] * (KNOWN + FRESH)
    assert voices.flush() == pytest.approx(0)
    assert voices.flush() is None


def test_the_similarity_is_that_of_the_other_voice_alone() -> None:
    voices = Voices()
    heard = [voice(1)] * (KNOWN + FRESH) + [voice(2, like=1, share=0.5)] * 10
    [found] = [found for each in heard if (found := voices.add(each)) is not None]
    assert found == pytest.approx(0.5, abs=1e-6)


def test_nobody_is_known_before() -> None:
    assert changes([voice(1)] * (KNOWN // 4) + [voice(2)] * 40) == []


def test_the_other_voice_is_learned_and_its_change_is_noticed() -> None:
    found = changes([voice(1)] * (KNOWN + 5) + [voice(2)] * (KNOWN + 5) + [voice(1)] * 20)
    assert len(found) == 2
    assert found[1] >= 2 * KNOWN + 10


def test_a_similar_voice_is_the_same() -> None:
    assert changes([voice(1)] * KNOWN + [voice(2, like=1, share=LIMIT + 0.02)] * 20) == []
    assert len(changes([voice(1)] * KNOWN + [voice(2, like=1, share=LIMIT - 0.02)] * 20)) == 1


def test_the_similarity_is_the_cosine() -> None:
    one, other = voice(1), voice(2)
    assert similarity(one, one + one) == pytest.approx(1)
    assert similarity(one, other) == pytest.approx(0)
    assert similarity(one, one + other) == pytest.approx(np.sqrt(0.5))
    assert similarity(one, np.zeros(SIZE, np.float32)) == 0


MIDNIGHT = 1_790_000_003 * SAMPLE_RATE + 77


def parts(sound: Samples, size: int = SAMPLE_RATE, start: int = MIDNIGHT) -> list[SpeechPart]:
    taken = SpeechParts(start)
    return [part for at in range(0, sound.size, size) for part in taken.push(sound[at : at + size])]


def test_pauses_do_not_count() -> None:
    speech = np.concatenate([reader()[: 7 * SAMPLE_RATE], np.zeros(BLOCK, np.float32)])
    dense = parts(speech)
    wide = parts(np.concatenate([speech, np.zeros(20 * SAMPLE_RATE, np.float32), speech]))
    assert len(dense) >= 3
    assert len(wide) == pytest.approx(2 * len(dense), abs=1)
    assert not parts(np.zeros(10 * SAMPLE_RATE, np.float32))
    assert not parts(np.random.default_rng(1).normal(0, 0.05, 10 * SAMPLE_RATE).astype(np.float32))


def test_a_part_tells_where_it_was_spoken() -> None:
    silence = np.zeros(5 * SAMPLE_RATE, np.float32)
    first, *_ = parts(np.concatenate([silence, reader()]))
    assert (first.start - MIDNIGHT) / SAMPLE_RATE == pytest.approx(5, abs=1)
    assert PART <= first.end - first.start <= 2 * PART
    assert first.samples.shape == (PART,)


def test_a_rest_leaves_out_the_speech_of_a_part() -> None:
    taken = SpeechParts(MIDNIGHT // BLOCK * BLOCK)
    found: list[SpeechPart] = []
    for part in taken.push(reader()):
        found.append(part)
        taken.rest()
    gaps = [later.start - before.end for before, later in pairwise(found)]
    assert len(found) >= 3
    assert all(gap > 0.9 * PART for gap in gaps)
    assert len(parts(reader())) >= len(found) + 2


def test_the_sizes_of_the_blocks_do_not_change_the_parts() -> None:
    whole = parts(reader())
    for size in (100, 50_000):
        other = parts(reader(), size)
        assert [part[:2] for part in other] == [part[:2] for part in whole]
        assert all(np.array_equal(one.samples, two.samples) for one, two in zip(whole, other, strict=True))
