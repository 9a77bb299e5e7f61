"""Hears when a banned recording plays in a stream of audio."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.landmark_index import LandmarkIndex
from pipeline.sound.fingerprints.landmarks import HASHES, HEARD_PAIRS, LandmarkFinder, Landmarks, joined_landmarks
from pipeline.sound.fingerprints.spectrum import FRAME_SECONDS
from pipeline.speech.audio.resample import Samples

STEP = SAMPLE_RATE
"""Samples from one decision to the next: one second."""
WINDOW = 5
"""A decision uses the landmarks of five seconds. Those of the last two seconds are not complete yet."""

TOLERANCE = 4
"""Frames (0.13 s) by which the offset may change in a window. At 2% more speed it changes by as much."""

LEAST = 36
"""Landmarks at one offset from which a recording is heard. Of 17 false hits in 27 minutes of other music all had fewer,
and of 511 true hits 10. docs/benchmarks.md has the recall on other recordings.
"""
CHANCE = 2
"""Landmarks at both ends that do not count for the span, because other sounds may have them by chance."""
LEAST_SECONDS = 1.5
"""The landmarks span at least this time: one sound that two recordings share is shorter."""

PAUSE = 10.0
"""Seconds for which a recording may not be heard within a playback."""
DRIFT = 0.5
"""Seconds by which the offset may change from one decision to the next."""

SHARED = 8
"""Binary logarithm of the landmarks of the bank for each slot. Bins share slots. While nothing plays, a slot has about
three places of the window, with a bank of any size.
"""
CANDIDATES = 8
"""Offsets of a decision that are examined, the most landmarks first."""


class RecordingPlayback(NamedTuple):
    """A span of a stream in which a banned recording plays."""

    recording: str
    """The id in the bank."""
    begin: float
    """Seconds in the stream."""
    end: float
    """Seconds in the stream."""
    offset: float
    """Seconds in the recording at `begin`."""
    landmarks: int
    """Landmarks at this offset in the best window; at least LEAST. More are surer."""


class _Second(NamedTuple):
    """The landmarks of a second of the stream, and where they are in the bank."""

    landmarks: Landmarks
    counts: NDArray[np.int64]
    """Shape (landmarks,): how many places each has."""
    offsets: NDArray[np.uint32]
    """Shape (places,): the frame in the bank less that in the stream, modulo 2^32."""
    votes: NDArray[np.uint16]
    """Shape (slots,): how many places lie in the bins of each slot."""

    def marks(self) -> NDArray[np.int64]:
        """A number for the landmark of each place. Numbers grow with the frame."""
        return np.repeat(self.landmarks.frames * HASHES + self.landmarks.hashes, self.counts)


class RecordingMatcher:
    """Compares one stream with a bank. It holds no sound beyond a tenth of a second, and landmarks of a few seconds."""

    def __init__(self, index: LandmarkIndex) -> None:
        self._index = index
        self._finder = LandmarkFinder(HEARD_PAIRS)
        self._samples = 0
        self._found: list[Landmarks] = []
        """Landmarks since the last decision."""
        self._window: deque[_Second] = deque(maxlen=WINDOW)
        self._slots = 1 << (index.size >> SHARED).bit_length()

    @property
    def held(self) -> int:
        """Bytes of the window."""
        return sum(second.offsets.nbytes + second.votes.nbytes for second in self._window)

    def push(self, samples: Samples) -> list[RecordingPlayback]:
        """What plays, by the next samples of shape (samples,): each recording, once a second.

        A recording is found when it has played for four to ten seconds. `joined_playbacks` joins what continues.
        """
        found: list[RecordingPlayback] = []
        while samples.size:
            part, samples = np.split(samples, [STEP - self._samples % STEP])
            self._samples += part.size
            self._found.append(self._finder.push(part))
            if self._samples % STEP == 0:
                found += self._playing()
        return found

    def flush(self) -> list[RecordingPlayback]:
        """What plays, by the end of the stream. Do not use the matcher afterwards."""
        self._found.append(self._finder.flush())
        return self._playing()

    def _playing(self) -> list[RecordingPlayback]:
        """The recordings that play in the window. One that plays at several offsets counts once."""
        self._window.append(self._second())
        full = _full(np.sum([second.votes for second in self._window], axis=0, dtype=np.uint16))
        if not full.any():
            return []
        offsets = np.concatenate([second.offsets for second in self._window])
        bins = offsets // TOLERANCE
        # A full slot is full together with the slot before it, so the bins of both count.
        near = full | np.roll(full, -1)
        found: dict[str, RecordingPlayback] = {}
        for most in _busiest(bins[near[bins % self._slots]]):
            playback = self._playback(offsets, (bins == most) | (bins == most - 1))
            if playback:
                found.setdefault(playback.recording, playback)
        return [*found.values()]

    def _second(self) -> _Second:
        """The landmarks since the last decision, with their places."""
        landmarks, self._found = joined_landmarks(self._found), []
        places = self._index.near(landmarks.hashes)
        # While a recording plays, its landmarks have the same offset. Unsigned numbers wrap, which `_playback` undoes.
        offsets = places.frames - np.repeat(landmarks.frames.astype(np.uint32), places.counts)
        # Hough voting: each place votes for an offset. Many votes for one offset mean that the recording plays.
        votes = np.bincount(offsets // TOLERANCE % self._slots, minlength=self._slots)
        return _Second(landmarks, places.counts, offsets, votes.astype(np.uint16))

    def _playback(self, offsets: NDArray[np.uint32], at_offset: NDArray[np.bool_]) -> RecordingPlayback | None:
        found = np.concatenate([second.marks() for second in self._window])[at_offset]
        # A landmark counts once, although a recording may have it in several places.
        marks, index = np.unique(found, return_index=True)
        if marks.size < LEAST:
            return None
        frames = marks // HASHES
        first, last = (frames[[CHANCE, -CHANCE - 1]] * FRAME_SECONDS).tolist()
        if last - first < LEAST_SECONDS:
            return None
        place = (int(offsets[at_offset][index[CHANCE]]) + int(frames[CHANCE])) % 2**32
        recording, frame = self._index.locate(place)
        return RecordingPlayback(recording, first, last, frame * FRAME_SECONDS, marks.size)


def _full(votes: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Whether each slot has LEAST places together with the slot before."""
    full: NDArray[np.bool_] = votes + np.roll(votes, 1) >= LEAST
    return full


def _busiest(bins: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The bins that have LEAST places together with the bin before, the fullest first.

    An offset at the edge of a bin is in two of them.
    """
    both = np.concatenate([bins, bins + 1]).astype(np.int64)
    values, counts = np.unique(both, return_counts=True)
    most = np.argsort(counts)[::-1][:CANDIDATES]
    return values[most[counts[most] >= LEAST]]


def joined_playbacks(playbacks: Iterable[RecordingPlayback]) -> Iterator[RecordingPlayback]:
    """Join playbacks that continue each other. They come in the order of their ends.

    Talk may cover a recording for PAUSE seconds. A recording that starts again is another playback.
    """
    playing: dict[str, tuple[RecordingPlayback, RecordingPlayback]] = {}  # the whole, and its latest part
    for each in playbacks:
        whole, latest = playing.pop(each.recording, (each, each))
        if not _continues(latest, each):
            yield whole
            whole = each
        end, landmarks = max(whole.end, each.end), max(whole.landmarks, each.landmarks)
        playing[each.recording] = whole._replace(end=end, landmarks=landmarks), each
    yield from sorted((whole for whole, _ in playing.values()), key=lambda whole: whole.begin)


def _continues(before: RecordingPlayback, after: RecordingPlayback) -> bool:
    shift = (after.offset - after.begin) - (before.offset - before.begin)
    return after.begin <= before.end + PAUSE and abs(shift) < DRIFT
