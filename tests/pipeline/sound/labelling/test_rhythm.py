"""The rhythm is heard as sound, through Opus and under talk; nothing else is taken for it."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.labelling.rhythm import STEP, PulseLoudness, Rhythm, RhythmDetector
from pipeline.sound.labelling.rhythm_pulses import BANDS, Levels, Pulses
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.encode import encode_opus_clip
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.labelling.made import VOICES, Beat, played, rhythm
from tests.pipeline.speech.audio.sound import DATA, clip, silence

LABEL = rhythm()


def heard(samples: Samples) -> list[Rhythm]:
    detector = RhythmDetector()
    return [*detector.push(samples), *detector.finish()]


def opus(samples: Samples, bitrate: int) -> Samples:
    return read_bytes(encode_opus_clip(samples, bitrate), "scene", 60)[0]


def over_talk(label: Samples, below: float) -> Samples:
    """The label 2 s after the begin of talk whose root mean square is `below` dB lower, where somebody speaks."""
    talk = np.resize(clip("sense-and-sensibility"), 6 * SAMPLE_RATE)
    loud = talk[np.abs(talk) > 0.1 * np.sqrt(np.mean(np.square(talk)))]
    scene: Samples = talk / np.sqrt(np.mean(np.square(loud))) * 0.1 * 10 ** (-below / 20)
    scene[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + label.size] += label
    return scene.astype(np.float32)


@pytest.mark.parametrize("bitrate", [24_000, 16_000])
@pytest.mark.parametrize("voice", VOICES)
def test_every_sound_is_heard_under_talk_and_through_opus(voice: str, bitrate: int) -> None:
    label = rhythm(Beat(voice))
    (found,) = heard(opus(over_talk(label, 12), bitrate))
    assert found.start == pytest.approx(2, abs=0.05)
    assert found.end == pytest.approx(2 + label.size / SAMPLE_RATE, abs=0.1)


@pytest.mark.parametrize(
    "beat",
    [
        Beat(short=0.05),
        Beat(short=0.25),
        Beat(pitch=300),
        Beat(pitch=4_000),
        Beat(long=2),
        Beat(long=4),
        Beat(gap=0.5, letter_gap=0.5),
        Beat(gap=1.5, letter_gap=4.5),
    ],
)
def test_tempo_pitch_and_proportions_may_differ(beat: Beat) -> None:
    (found,) = heard(rhythm(beat))
    assert found.start == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("level", [0.002, 0.02, 0.5])
def test_loudness_may_differ(level: float) -> None:
    assert len(heard(rhythm(level=level))) == 1


@pytest.mark.parametrize("start", np.arange(0, 3, 0.37))
def test_every_place_in_a_long_stream_is_searched(start: float) -> None:
    before, after = silence(20 + start), silence(15)
    (found,) = heard(np.concatenate([before, rhythm(Beat(short=0.24)), after]))
    assert found.start == pytest.approx(20 + start, abs=0.05)


def test_each_rhythm_is_found_once() -> None:
    scene = np.concatenate([LABEL, silence(1.0), rhythm(Beat("chord", 500)), silence(30), rhythm(Beat("noise"))])
    found = heard(scene)
    assert len(found) == 3
    assert all(one.end <= other.start for one, other in pairwise(found))


@settings(max_examples=10)
@given(st.lists(st.integers(0, 90_000), max_size=12))
def test_block_sizes_do_not_change_the_result(sizes: list[int]) -> None:
    scene = np.concatenate([silence(3), LABEL, silence(9), rhythm(Beat("buzz")), silence(0.1)])
    detector = RhythmDetector()
    found = [each for block in np.split(scene, np.cumsum(sizes)) for each in detector.push(block)]
    assert [*found, *detector.finish()] == heard(scene)


def test_memory_is_bounded() -> None:
    detector = RhythmDetector()
    for _ in range(30):
        detector.push(silence(1))
    assert len(detector._held) < 5 * STEP


@pytest.mark.parametrize(
    "lengths",
    [
        [1, -1, 1, -1, 1, -1, 1],
        [3, -1, 1, -1, 1, -1, 3],
        [1, -1, 3, -1, 1],
        [1, -1, 3, -1, 1, -1, 1, -1, 1],
        [1, -1, 1, -1, 3, -1, 1, -1, 1],
        [0.3, -0.2, 1, -0.2, 0.3, -4],
        [1, -1, 3, -3, 1, -1, 1, -3, 3, -1, 1],
        [20],
    ],
)
def test_other_rhythms_are_not_taken_for_it(lengths: list[float]) -> None:
    assert not heard(played(Beat(), lengths))


def test_people_who_speak_are_not_taken_for_it() -> None:
    names = sorted(path for path in Path(DATA).rglob("*.flac"))
    assert not [path for path in names if heard(clip(str(path.relative_to(DATA).with_suffix(""))))]


@pytest.mark.parametrize("content", [1.0, 0.0, -1.0])
def test_constant_samples_are_no_rhythm(content: float) -> None:
    assert not heard(np.full(12 * SAMPLE_RATE, np.float32(content)))


@settings(max_examples=20)
@given(st.binary(max_size=40_000))
def test_any_samples_are_heard_without_an_error(data: bytes) -> None:
    heard((np.frombuffer(data[: len(data) // 2 * 2], "<i2") / 32_768).astype(np.float32))


def test_a_rhythm_that_the_stream_cuts_off_is_not_found() -> None:
    assert not heard(LABEL[: LABEL.size - SAMPLE_RATE // 5])


PULSES = Pulses(np.array([3]), np.array([5]), np.array([[10, 30, 90, 110]]), np.array([[20, 60, 100, 120]]))


def scene(bands: list[int], background: float = -80) -> Levels:
    """Pulses of -20 dB, each in its own band."""
    levels = np.full((150, BANDS), background, np.float32)
    for start, end, band in zip(PULSES.start[0], PULSES.end[0], bands, strict=True):
        levels[start:end, band] = -20
    return levels


def test_the_same_band_is_alike_and_another_one_is_not() -> None:
    assert PulseLoudness(scene([3, 3, 3, 3])).likeness(PULSES) == pytest.approx([1.0])
    assert PulseLoudness(scene([3, 4, 3, 3])).likeness(PULSES)[0] < 0.1


def test_what_sounds_in_the_gaps_does_not_count() -> None:
    levels = scene([3, 3, 3, 3])
    levels[:, 7] = -15
    assert PulseLoudness(levels).likeness(PULSES) == pytest.approx([1.0])


def test_silence_is_alike_in_nothing() -> None:
    assert PulseLoudness(np.full((150, BANDS), -80, np.float32)).likeness(PULSES) == pytest.approx([0.0])


def test_contrast_is_that_of_the_quietest_pulse_and_the_loudest_gap() -> None:
    levels = scene([3, 3, 3, 3])
    levels[90:100, 3] = -30
    levels[60:90, 3] = -50
    assert PulseLoudness(levels).contrast(PULSES) == pytest.approx([20.0])


def test_no_pulses_give_no_numbers() -> None:
    none = PULSES.only(np.array([False]))
    loudness = PulseLoudness(scene([3, 3, 3, 3]))
    assert loudness.contrast(none).size == loudness.likeness(none).size == 0
