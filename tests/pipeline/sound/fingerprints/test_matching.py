"""A banned song is heard under talk, through Opus and at another speed; other sounds are not taken for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
from pipeline.sound.fingerprints.matching import LEAST, RecordingMatcher, RecordingPlayback, joined_playbacks
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.fingerprints.music import (
    at_speed,
    banned,
    heard,
    part,
    talk,
    through_opus,
    tune,
    under_talk,
)

BANK = [banned(1), banned(2), banned(3)]
RANDOM = np.random.default_rng(8)


@pytest.mark.parametrize("speed", [0.98, 1.0, 1.02])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_song_is_heard_under_talk_through_opus(seed: int, speed: float) -> None:
    excerpt = at_speed(part(tune(seed), 6, 14), speed)
    room = through_opus(under_talk(excerpt, talk(20 * SAMPLE_RATE), RANDOM))
    found = [each for each in heard(room, BANK) if each.recording == banned(seed).id]
    assert found
    assert all(0 <= each.begin < each.end < 8.2 for each in found)
    assert [each.recording for each in heard(room, BANK)].count(banned(seed).id) == len(heard(room, BANK))


def test_the_span_in_the_stream_and_the_place_in_the_song_are_given() -> None:
    room = np.concatenate([talk(9 * SAMPLE_RATE), part(tune(1), 5, 15), talk(12 * SAMPLE_RATE)])
    (found,) = heard(room, BANK)
    assert found.recording == banned(1).id
    assert found.begin == pytest.approx(9, abs=1)
    assert found.end == pytest.approx(19, abs=1)
    assert found.offset - found.begin == pytest.approx(5 - 9, abs=0.1)
    assert found.landmarks > LEAST


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.01])
def test_a_song_after_a_long_pause_is_heard_at_its_place(level: float) -> None:
    """The pause is silence, or noise that is too quiet for peaks, or noise of a room."""
    pause = np.random.default_rng(3).uniform(-level, level, 40 * SAMPLE_RATE).astype(np.float32)
    (found,) = heard(np.concatenate([talk(3 * SAMPLE_RATE), pause, part(tune(1), 5, 15), pause]), BANK)
    assert found.recording == banned(1).id
    assert found.begin == pytest.approx(43, abs=1)
    assert found.end == pytest.approx(53, abs=1)
    assert found.offset - found.begin == pytest.approx(5 - 43, abs=0.1)


def test_it_is_heard_within_some_seconds_while_it_plays() -> None:
    matcher = RecordingMatcher(LandmarkIndex(BANK))
    heard_after = [second for second in range(1, 12) if matcher.push(part(tune(2), second - 1, second))]
    assert heard_after[0] <= 5


def test_songs_that_play_one_after_the_other_are_two_playbacks() -> None:
    room = np.concatenate([part(tune(1), 2, 12), part(tune(2), 0, 10), part(tune(1), 2, 12)])
    found = sorted(heard(room, BANK), key=lambda each: each.begin)
    assert [each.recording for each in found] == [banned(n).id for n in (1, 2, 1)]


def test_other_songs_and_speech_are_not_heard() -> None:
    for sound in (tune(4), tune(5), tune(6), talk(30 * SAMPLE_RATE)):
        assert heard(sound, BANK) == []


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(0, np.float32),
        np.zeros(7, np.float32),
        np.zeros(30 * SAMPLE_RATE, np.float32),
        np.full(30 * SAMPLE_RATE, 0.7, np.float32),
        np.random.default_rng(1).normal(0, 0.2, 30 * SAMPLE_RATE).astype(np.float32),
        np.sin(np.arange(30 * SAMPLE_RATE) * 0.2).astype(np.float32),
        np.tile(np.r_[np.ones(200), -np.ones(200)], 1_200).astype(np.float32),
    ],
    ids=["nothing", "tiny", "silence", "offset", "noise", "tone", "square"],
)
def test_sounds_without_a_song_are_no_playback(sound: Samples) -> None:
    assert heard(sound, BANK) == []


@settings(max_examples=20)
@given(st.lists(st.integers(1, 12 * SAMPLE_RATE), max_size=6))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    sound = part(tune(3), 4, 16)
    matcher = RecordingMatcher(LandmarkIndex(BANK))
    found = [each for piece in np.split(sound, sorted(cuts)) for each in matcher.push(piece)]
    assert [*joined_playbacks([*found, *matcher.flush()])] == heard(sound, BANK)


def test_an_empty_bank_hears_nothing() -> None:
    assert heard(tune(1), []) == []


def test_a_long_stream_keeps_a_bounded_window() -> None:
    matcher, sizes = RecordingMatcher(LandmarkIndex(BANK)), []
    for _ in range(6):
        matcher.push(tune(1))
        sizes.append(matcher.held)
    assert max(sizes) < 2 * sizes[0]


def test_a_place_before_the_stream_began_is_found() -> None:
    """The song begins late in the stream, so its offset is negative, and counts modulo 2^32."""
    bank = LandmarkIndex([banned(1)])
    matcher = RecordingMatcher(bank)
    found = [*matcher.push(np.concatenate([np.zeros(30 * SAMPLE_RATE, np.float32), part(tune(1), 0, 12)]))]
    found += matcher.flush()
    assert found
    assert all(each.offset - each.begin == pytest.approx(-30, abs=0.1) for each in found)


def playback(begin: float, end: float, offset: float, recording: str = "a", landmarks: int = 40) -> RecordingPlayback:
    return RecordingPlayback(recording, begin, end, offset, landmarks)


def test_what_continues_is_one_playback() -> None:
    parts = [playback(0, 4, 10), playback(1, 5, 11.05, landmarks=60), playback(12, 16, 22.1), playback(3, 5, 9, "b")]
    assert [*joined_playbacks(parts)] == [playback(0, 16, 10, landmarks=60), playback(3, 5, 9, "b")]


def test_a_new_start_and_a_long_pause_are_other_playbacks() -> None:
    parts = [playback(0, 4, 10), playback(4, 8, 0), playback(30, 34, 26)]
    assert [*joined_playbacks(parts)] == parts
