"""Cuts speech into utterances by speech probability and loudness. It has no clock, no model and no codec.

It works on windows of 512 samples. Speech starts at the threshold and continues down to a lower threshold (hysteresis).
It ends after the hangover time of silence. Speech longer than the soft limit is cut at a quiet moment; the longer it
continues, the louder that moment may be. At the hard limit it is cut at the quietest moment since the soft limit. A cut
without a real pause is `forced`: the next utterance repeats the end of this one, so that no word is lost between them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Audio
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.vad import WINDOW

VAD_THRESHOLD = 0.5
"""Lowest speech probability at which speech starts: Silero's own value."""

HYSTERESIS = 0.15
"""Difference between the thresholds that start and end speech. Silero uses the same value."""

MIN_SECONDS = 0.3
"""Shorter speech is dropped: it is a click, a cough or a breath, and Whisper would invent a word for it."""

PAD_SECONDS = 0.2
"""Audio kept before and after the speech, so that soft first and last sounds reach the recogniser."""

SOFT_SECONDS = 8.0
"""Speech longer than this is cut at its next quiet moment, so that a long talk is judged before its hard limit."""

OVERLAP_SECONDS = 0.5
"""What the next utterance repeats after a cut without a pause: a spoken word fits into it."""

REPEATED = ceil(OVERLAP_SECONDS * SAMPLE_RATE / WINDOW) * WINDOW
"""The same in whole windows, as a number of samples."""

SMOOTH = 3
"""Windows in a moment (96 ms). A moment is longer than the silence before a plosive."""

QUIET_AT_SOFT, QUIET_AT_LAST = 0.1, 0.5
"""A moment is quiet if its `_noise` is at most this value. At the soft limit it is QUIET_AT_SOFT: a pause between
sentences. Half-way to the hard limit it has grown to QUIET_AT_LAST: a gap between words."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An utterance that was cut from a stream. `start` is in samples from the start of the stream."""

    start: int
    samples: Samples
    forced: bool = False
    overlap: int = 0
    """Samples at the start that the previous cut has too."""
    so_far: bool = False
    """The speaker goes on."""


@dataclass(slots=True)
class Open:
    """Unfinished speech. All places are numbers of windows."""

    start: int
    """First window, including the padding or the repeated end of the previous cut."""
    onset: int
    """First window of speech."""
    last: int
    """Last window of speech so far."""
    repeated: int = 0
    """Windows at the start that the previous cut has too."""
    given: int = 0
    """Windows of speech that `so_far` gave last."""


class Cutter:
    """Cuts the stream of one speaker. It holds PAD_SECONDS of audio in silence, at most `max_seconds` in speech."""

    def __init__(self, settings: Audio) -> None:
        self._min = _windows(MIN_SECONDS)
        # With any settings, some moments fit before the soft limit and between the two limits.
        self._max = max(int(settings.max_seconds * SAMPLE_RATE) // WINDOW, 4 * SMOOTH)
        self._soft = min(max(_windows(SOFT_SECONDS), 2 * SMOOTH), self._max - 2 * SMOOTH)
        self._hangover = _windows(settings.hangover_seconds)
        self._early = _windows(settings.early_seconds)
        self._pad = _windows(PAD_SECONDS)
        self._overlap = REPEATED // WINDOW

        self._audio: list[Samples] = []
        self._speech: list[float] = []
        self._loudness: list[float] = []
        self._base = 0
        """Number of the first window in these three lists."""
        self._next = 0
        """Number of the window that is judged next."""
        self._floor = 0
        """Number of the window at which the previous cut ends. No utterance may start before it."""
        self._open: Open | None = None
        self._given = -1
        """Last window of the speech that `paused` gave last."""

    @property
    def open_since(self) -> int | None:
        """First sample of unfinished speech. None in silence."""
        return self._open.start * WINDOW if self._open else None

    @property
    def held(self) -> int:
        """Number of samples in memory."""
        return len(self._audio) * WINDOW

    def push(self, samples: Samples, probabilities: NDArray[np.float32]) -> Iterator[Cut]:
        """Add whole windows, shape (windows * 512,), with their speech probabilities, shape (windows,). Yields cuts."""
        windows = samples.reshape(-1, WINDOW)
        self._audio.extend(windows)
        self._speech.extend(probabilities.tolist())
        self._loudness.extend(np.sqrt(np.square(windows).mean(axis=1)).tolist())
        while self._next < self._base + len(self._audio):
            self._next += 1
            if cut := self._judge(self._next - 1):
                yield cut
        self._forget()

    def flush(self, padding: int = 0) -> Iterator[Cut]:
        """End the stream. Yields unfinished speech, without the last `padding` samples, which only fill a window."""
        cut = self.unfinished()
        if self._open:
            self._end(self._open.last + 1 + self._pad)
        if cut:
            excess = cut.start + cut.samples.size - (self._next * WINDOW - padding)
            samples = cut.samples[:-excess] if excess > 0 else cut.samples
            yield Cut(cut.start, samples, cut.forced, cut.overlap)

    def unfinished(self) -> Cut | None:
        """Unfinished speech as it would be cut if the stream ended now; None in silence.

        Here the minimum length includes the padding. So speech that has just begun is returned, too: its rest may be
        missing.
        """
        if self._open is None:
            return None
        end = min(self._open.last + 1 + self._pad, self._next)
        long_enough = self._open.repeated or end - self._open.start >= self._min
        return self._piece(self._open, end) if long_enough else None

    def paused(self) -> Cut | None:
        """The speech as it will be cut if its pause continues. Each pause gives it once, when the padding is over.

        If speech follows before the hangover, or if a limit of the length cuts first, this will not be an utterance.
        """
        speech = self._open
        if speech is None or speech.last == self._given or self._is_short(speech):
            return None
        end = speech.last + 1 + self._pad
        if self._next < end:
            return None
        self._given = speech.last
        return self._piece(speech, end)

    def so_far(self) -> Cut | None:
        """The speech so far, once in each `early_seconds` of it, while it goes on. In a pause, `paused` gives it."""
        speech, length = self._open, self._next - self._open.onset if self._open else 0
        if not (speech and self._early) or length < speech.given + self._early or speech.last < self._next - 1:
            return None
        speech.given = length
        return replace(self._piece(speech, self._next), so_far=True)

    def _judge(self, window: int) -> Cut | None:
        speech = self._speech[window - self._base]
        if self._open is None:
            if speech >= VAD_THRESHOLD:
                self._open = Open(max(window - self._pad, self._floor), window, window)
            return None
        if speech >= VAD_THRESHOLD - HYSTERESIS:  # speech goes on below the threshold that starts it
            self._open.last = window
        elif window - self._open.last >= self._hangover:
            return self._close(self._open, self._open.last + 1 + self._pad)
        return self._limit(self._open)

    def _limit(self, speech: Open) -> Cut | None:
        """Cut speech that reaches the soft or the hard limit."""
        length = self._next - speech.start
        if length >= self._max:  # hard limit: the quietest moment since the soft limit
            noise = self._noise(speech)
            return self._cut(speech, speech.start + self._soft + int(np.argmin(noise[self._soft :])))
        if length > self._soft:  # soft limit: the next moment that is quiet enough
            progress = min(1.0, 2 * (length - self._soft) / (self._max - self._soft))
            # Cut at the moment before, as soon as the noise rises again.
            before, now = self._noise(speech)[-2:]
            if before <= QUIET_AT_SOFT + progress * (QUIET_AT_LAST - QUIET_AT_SOFT) and now >= before:
                return self._cut(speech, self._next - SMOOTH - 1)
        return None

    def _noise(self, speech: Open) -> NDArray[np.float64]:
        """Noise of each moment (SMOOTH windows), from 0 (quiet) to about 1, shape (length - SMOOTH + 1,).

        It is the mean of speech probability and relative loudness. The loud parts of this speech have loudness 1.
        """
        held = slice(speech.start - self._base, self._next - self._base)
        loudness = np.array(self._loudness[held])
        share = loudness / max(_loud(loudness), 1e-9)  # not by zero
        return np.convolve((np.array(self._speech[held]) + share) / 2, np.full(SMOOTH, 1 / SMOOTH), "valid")

    def _cut(self, speech: Open, quiet: int) -> Cut | None:
        """Cut in the middle of the quiet moment that begins at window `quiet`. Later windows are judged again."""
        place = quiet + SMOOTH // 2
        around = self._speech[quiet - self._base : quiet - self._base + SMOOTH]
        pause = max(around) < VAD_THRESHOLD - HYSTERESIS
        speech.last = min(speech.last, place - 1)
        cut = self._close(speech, place, forced=not pause)
        if not pause:
            self._open = Open(place - self._overlap, place, place - 1, repeated=self._overlap)
        self._next = place
        return cut

    def _close(self, speech: Open, end: int, *, forced: bool = False) -> Cut | None:
        end = self._end(end)
        return None if self._is_short(speech) else self._piece(speech, end, forced=forced)

    def _is_short(self, speech: Open) -> bool:
        # The rest of a forced cut belongs to speech that was long enough.
        return speech.last + 1 - speech.onset < (1 if speech.repeated else self._min)

    def _end(self, end: int) -> int:
        """End the speech at window `end`, or at the last judged window if that is earlier."""
        self._open, self._floor = None, min(end, self._next)
        return self._floor

    def _piece(self, speech: Open, end: int, *, forced: bool = False) -> Cut:
        audio = np.concatenate(self._audio[speech.start - self._base : end - self._base])
        return Cut(speech.start * WINDOW, audio, forced, speech.repeated * WINDOW)

    def _forget(self) -> None:
        """Drop the windows that no later cut can need."""
        keep = self._open.start if self._open else max(self._floor, self._next - self._pad)
        spent = keep - self._base
        del self._audio[:spent], self._speech[:spent], self._loudness[:spent]
        self._base = keep


def lead_seconds(audio: Audio) -> float:
    """Seconds of earlier audio that a segmenter hears before its first chunk.

    They hold speech in progress that was cut for its length at most once, and the pause before it.
    """
    return audio.max_seconds + SOFT_SECONDS + audio.hangover_seconds


def _loud(loudness: NDArray[np.float64]) -> float:
    """The 90th percentile, linearly interpolated."""
    # This runs once per window, and NumPy's own function is several times slower for few numbers.
    place = 0.9 * (len(loudness) - 1)
    low, high = math.floor(place), math.ceil(place)
    ordered = np.partition(loudness, (low, high))
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


def _windows(seconds: float) -> int:
    # Rounding errors must not add a window.
    return ceil(seconds * SAMPLE_RATE / WINDOW - 1e-9)
