"""The index finds each landmark in its recording, and leaves out what is too common."""

from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import InputError
from pipeline.sound.fingerprints import landmark_index as module
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.sound.fingerprints.landmark_index import COMMON, LandmarkIndex
from pipeline.sound.fingerprints.landmarks import HASHES, Landmarks
from tests.pipeline.sound.fingerprints.music import banned

first, second = itemgetter(0), itemgetter(1)


def made(name: str, hashes: list[int], frames: list[int]) -> Fingerprint:
    return Fingerprint(name, banned(1).recording, Landmarks(np.array(hashes, np.int64), np.array(frames, np.int64)))


def found(index: LandmarkIndex, hashes: list[int]) -> list[tuple[int, str, int]]:
    """The landmark, the recording and the frame of each place."""
    places = index.near(np.array(hashes, np.int64))
    numbers = np.repeat(np.arange(places.counts.size), places.counts)
    return [(int(number), *index.locate(int(at))) for number, at in zip(numbers, places.frames, strict=True)]


def test_each_landmark_is_found_in_its_recording() -> None:
    index = LandmarkIndex([made("a", [5, 10, 1], [1, 2, 3]), made("b", [10, HASHES - 2], [40, 50])])
    assert found(index, [10, 7, HASHES - 2, 1]) == [(0, "a", 2), (0, "b", 40), (2, "b", 50), (3, "a", 3)]


def test_a_landmark_is_found_with_a_frame_less_or_more_between_its_peaks() -> None:
    index = LandmarkIndex([made("a", [4, 5, 6, 7], [10, 20, 30, 40])])
    assert found(index, [5]) == [(0, "a", 10), (0, "a", 20), (0, "a", 30)]


def test_real_recordings_are_found_at_their_frames() -> None:
    index, landmarks = LandmarkIndex([banned(1), banned(2)]), banned(2).landmarks
    right = {
        number for number, *place in found(index, landmarks.hashes.tolist())
        if place == [banned(2).id, landmarks.frames[number]]
    }  # fmt: skip
    assert len(right) == landmarks.hashes.size


def test_common_landmarks_are_left_out() -> None:
    often, seldom = [3] * (COMMON + 1), [4] * COMMON
    index = LandmarkIndex([made("a", often + seldom, [*range(2 * COMMON + 1)])])
    assert index.size == 2 * COMMON + 1
    assert index.near(np.array([3, 4])).counts.tolist() == [COMMON] * 2
    assert index.near(np.array([2])).counts.tolist() == [0]


def test_an_empty_bank_has_nothing() -> None:
    index = LandmarkIndex([])
    assert found(index, [1, 2]) == found(index, []) == []


def test_a_bank_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 2)
    with pytest.raises(InputError, match=r"The bank has more than 2 landmarks\. Remove recordings\."):
        LandmarkIndex([made("a", [1, 2, 3], [1, 2, 3])])


LANDMARKS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 50)), max_size=12)


@given(st.lists(LANDMARKS, min_size=1, max_size=6), st.integers(0, 6))
def test_a_recording_that_comes_later_is_found_as_if_it_had_been_there(
    given: list[list[tuple[int, int]]], at: int
) -> None:
    recordings = [made(str(number), [*map(first, each)], [*map(second, each)]) for number, each in enumerate(given)]
    hashes = [*range(1, 8)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "COMMON", 5)
        before = LandmarkIndex(recordings[:at])
        there = found(before, hashes)
        grown, whole = before.with_more(recordings[at:]), LandmarkIndex(recordings)
        assert (grown.ids, grown.size) == (whole.ids, whole.size)
        assert found(grown, hashes) == found(whole, hashes)
        assert found(before, hashes) == there, "a stream may still use the bank from before"
