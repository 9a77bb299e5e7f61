"""The index finds each landmark in its recording, and leaves out what is too common."""

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.sound.fingerprints import index as module
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from pipeline.sound.fingerprints.index import COMMON, LandmarkIndex
from pipeline.sound.fingerprints.landmarks import HASHES, Landmarks
from tests.pipeline.sound.fingerprints.music import banned


def made(name: str, hashes: list[int], frames: list[int]) -> Fingerprint:
    return Fingerprint(name, banned(1).recording, Landmarks(np.array(hashes), np.array(frames)))


def test_each_landmark_is_found_in_its_recording() -> None:
    index = LandmarkIndex([made("a", [5, 7, 0], [1, 2, 3]), made("b", [7, HASHES - 1], [40, 50])])
    found = index.find(np.array([7, 6, HASHES - 1, 0]))
    places = [(int(number), *index.locate(int(frame))) for number, frame in zip(*found, strict=True)]
    assert places == [(0, "a", 2), (0, "b", 40), (2, "b", 50), (3, "a", 3)]


def test_real_recordings_are_found_at_their_frames() -> None:
    index = LandmarkIndex([banned(1), banned(2)])
    found = index.find(banned(2).landmarks.hashes)
    right = [
        index.locate(int(frame)) == (banned(2).id, banned(2).landmarks.frames[number])
        for number, frame in zip(*found, strict=True)
    ]
    assert sum(right) >= banned(2).landmarks.hashes.size


def test_common_landmarks_are_left_out() -> None:
    often, seldom = [3] * (COMMON + 1), [4] * COMMON
    index = LandmarkIndex([made("a", often + seldom, [*range(2 * COMMON + 1)])])
    assert index.find(np.array([3, 4])).landmarks.tolist() == [1] * COMMON


def test_an_empty_bank_has_nothing() -> None:
    index = LandmarkIndex([])
    assert index.find(np.array([1, 2])).frames.size == 0
    assert index.find(np.empty(0, np.int64)).frames.size == 0


def test_a_bank_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 2)
    with pytest.raises(InputError, match=r"The bank has more than 2 landmarks\. Remove recordings\."):
        LandmarkIndex([made("a", [1, 2, 3], [1, 2, 3])])
