"""Hears when a banned recording plays in a stream of audio."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE
from pipeline.sound.fingerprints.index import LandmarkIndex
from pipeline.sound.fingerprints.landmarks import HASHES, HEARD_PAIRS, LandmarkFinder, Landmarks, near
from pipeline.sound.fingerprints.spectrum import FRAME_SECONDS, HOP

STEP = SAMPLE_RATE
"""Samples from one decision to the next: one second."""
WINDOW_FRAMES = 220
"""A decision uses the landmarks of the last seven seconds. Those of the last two are not complete yet."""

TOLERANCE = 4
"""Frames (0.13 s) by which the offset may change in a window. At 2% more speed it changes by as much."""

LEAST = 30
"""Landmarks at one offset from which a recording is heard. In the development set, other recordings had at most 26 in
five seconds. docs/benchmarks.md has the recall on other recordings.
"""
CHANCE = 2
"""Landmarks at both ends that do not count for the span, because other sounds may have them by chance."""
LEAST_SECONDS = 1.5
"""The landmarks span at least this time: one sound that two recordings share is shorter."""

PAUSE = 10.0
"""Seconds for which a recording may not be heard within a playback."""
DRIFT = 0.5
"""Seconds by which the offset may change from one decision to the next."""

CANDIDATES = 8
"""Offsets of a decision that are examined, those with the most landmarks first."""


class Playback(NamedTuple):
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


class RecordingMatcher:
    """Compares one stream with a bank. It holds no sound beyond a tenth of a second, and landmarks of a few seconds."""

    def __init__(self, index: LandmarkIndex) -> None:
        self._index = index
        self._finder = LandmarkFinder(HEARD_PAIRS)
        self._samples = 0
        # The landmarks of the window, and where they are in the bank.
        self._marks = self._places = np.empty(0, np.int64)

    @property
    def held(self) -> int:
        """Bytes of the window."""
        return self._marks.nbytes + self._places.nbytes

    def push(self, samples: Samples) -> list[Playback]:
        """What plays, by the next samples of shape (samples,): each recording, once a second.

        A recording is found when it has played for four to ten seconds. `joined` makes one playback of those of a span.
        """
        found: list[Playback] = []
        while samples.size:
            part, samples = np.split(samples, [STEP - self._samples % STEP])
            self._samples += part.size
            self._add(self._finder.push(part))
            if self._samples % STEP == 0:
                found += self._playing()
        return found

    def flush(self) -> list[Playback]:
        """What plays, by the end of the stream. Do not use the matcher afterwards."""
        self._add(self._finder.flush())
        return self._playing()

    def _add(self, landmarks: Landmarks) -> None:
        """Add the places of the landmarks to the window, and drop what is too old."""
        found = self._index.find(near(landmarks.hashes))
        marks = landmarks.frames * HASHES + landmarks.hashes  # one number for each landmark of the stream
        marks = np.concatenate([self._marks, np.tile(marks, 3)[found.landmarks]])
        recent = marks >= (self._samples // HOP - WINDOW_FRAMES) * HASHES
        self._marks = marks[recent]
        self._places = np.concatenate([self._places, found.frames])[recent]

    def _playing(self) -> list[Playback]:
        """The recordings that play in the window. One that plays at several offsets counts once."""
        bins = (self._places - self._marks // HASHES) // TOLERANCE
        found: dict[str, Playback] = {}
        for most in _busiest(bins):
            playback = self._playback((bins == most) | (bins == most - 1))
            if playback:
                found.setdefault(playback.recording, playback)
        return [*found.values()]

    def _playback(self, at_offset: NDArray[np.bool_]) -> Playback | None:
        marks, index = np.unique(self._marks[at_offset], return_index=True)
        if marks.size < LEAST:
            return None
        first, last = (marks[[CHANCE, -CHANCE - 1]] // HASHES * FRAME_SECONDS).tolist()
        if last - first < LEAST_SECONDS:
            return None
        recording, frame = self._index.locate(int(self._places[at_offset][index[CHANCE]]))
        return Playback(recording, first, last, frame * FRAME_SECONDS, marks.size)


def _busiest(bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bins that have LEAST places together with the bin before, the fullest first.

    An offset at the edge of a bin is in two of them. Most bins have one place, so they are first counted in a table of
    slots, which is faster than sorting them.
    """
    size = 1 << (bins.size.bit_length() + 1)
    slots = bins & (size - 1)
    counts = np.bincount(slots, minlength=size)
    full = counts + np.roll(counts, 1) >= LEAST
    kept = bins[full[slots] | np.roll(full, -1)[slots]]
    values, counts = np.unique(np.concatenate([kept, kept + 1]), return_counts=True)
    most = np.argsort(counts)[::-1][:CANDIDATES]
    return values[most[counts[most] >= LEAST]]


def joined(playbacks: Iterable[Playback]) -> Iterator[Playback]:
    """One playback of those that continue each other. They come in the order of their ends.

    Talk may cover a recording for PAUSE seconds. A recording that starts again is another playback.
    """
    playing: dict[str, tuple[Playback, Playback]] = {}  # the whole, and its latest part
    for each in playbacks:
        whole, latest = playing.pop(each.recording, (each, each))
        if not _continues(latest, each):
            yield whole
            whole = each
        end, landmarks = max(whole.end, each.end), max(whole.landmarks, each.landmarks)
        playing[each.recording] = whole._replace(end=end, landmarks=landmarks), each
    yield from sorted((whole for whole, _ in playing.values()), key=lambda whole: whole.begin)


def _continues(before: Playback, after: Playback) -> bool:
    shift = (after.offset - after.begin) - (before.offset - before.begin)
    return after.begin <= before.end + PAUSE and abs(shift) < DRIFT
