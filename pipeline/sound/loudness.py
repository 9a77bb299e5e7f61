"""Loudness by ITU-R BS.1770-5, in the short-term window of EBU Tech 3341 (3 s).

The stream has one channel, which counts as one loudspeaker: a sine of 1 kHz at full scale has -3 LUFS.
"""

from collections import deque
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.sound_windows import HOP, above
from pipeline.speech.audio.resample import Samples

SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
"""The first filter of the K-weighting, for the head: numerator and denominator at 48 kHz (BS.1770-5, table 1)."""
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
"""The second filter, against low frequencies (table 2)."""
RATE_OF_FILTERS = 48_000
OFFSET = -0.691
"""Decibels. The loudness of a sine of 997 Hz becomes its level."""

REACH = 1_120
"""Samples by which the filter reaches into both directions: 70 ms. What it cuts off is below -100 dB. Half a second and
twice the reach are 10,240 samples, a fast length for a Fourier transform.
"""
PART = SAMPLE_RATE // 10
"""Samples of a part: 0.1 s. Windows of loudness consist of parts."""
SHORT_TERM = 30
"""Parts of 3 s."""
SILENCE = -120.0
"""The lowest loudness in LUFS."""
QUIETEST = 1e-2
"""Size of the largest sample, of 1, from which sound counts: -40 dB of full scale."""

LIMIT = -9.0
"""LUFS. Talk is 10 to 20 LU quieter, and mastered music seldom reaches it for seconds."""


class LoudnessMeter:
    """Measures a stream, half a second at a time. The result is 70 ms late. The filter has no phase."""

    def __init__(self) -> None:
        self._held = np.zeros(2 * REACH, np.float32)
        self._parts: deque[float] = deque(maxlen=SHORT_TERM)
        """The mean square of each of the last parts, after the filter."""

    def push(self, hop: Samples) -> None:
        """Take the next samples, shape (HOP,)."""
        samples = np.concatenate([self._held, hop])
        self._held = samples[-2 * REACH :]
        if np.abs(samples).max() < QUIETEST:
            # Silence needs no filter.
            self._parts.extend([0.0] * (hop.size // PART))
            return
        size = samples.size
        # Overlap-save: the first 2 * REACH samples of the cyclic convolution are wrong. The last call gave them.
        weighted = np.fft.irfft(np.fft.rfft(samples) * _kernel(size), size)[2 * REACH :]
        self._parts.extend(np.square(weighted).reshape(-1, PART).mean(axis=1).tolist())

    @property
    def short_term(self) -> float:
        """LUFS of the last 3 s. What lies before the stream is silence."""
        power = sum(self._parts) / SHORT_TERM
        return max(SILENCE, OFFSET + 10 * float(np.log10(power))) if power > 0 else SILENCE


class Loudness:
    """Scores the short-term loudness."""

    def __init__(self) -> None:
        self._meter = LoudnessMeter()

    def score(self, window: Samples) -> float:
        self._meter.push(window[-HOP:])
        return above(_power(self._meter.short_term), _power(LIMIT))


def _power(decibels: float) -> float:
    return float(10 ** (decibels / 10))


@cache
def _kernel(size: int) -> NDArray[np.complex64]:
    """The Fourier transform of the K-weighting at 16 kHz for blocks of `size` samples, shape (size // 2 + 1,).

    It is the gain of the filters at 48 kHz, which are the same sound at the frequencies that 16 kHz has. Only the
    power of the result counts, so the phase is left out: the kernel is symmetric, and shifted by REACH.
    """
    # A zero-phase impulse response, from the absolute values of the frequency response.
    kernel = np.fft.irfft(np.abs(_response(np.fft.rfftfreq(16 * REACH, 1 / SAMPLE_RATE))))
    return np.fft.rfft(np.concatenate([kernel[-REACH:], kernel[: REACH + 1]]), size).astype(np.complex64)


def _response(frequencies: NDArray[np.floating]) -> NDArray[np.complex128]:
    """The response of both filters at `frequencies` (Hz)."""
    turn = np.exp(-2j * np.pi * frequencies / RATE_OF_FILTERS)
    response = np.ones(turn.size, np.complex128)
    for numerator, denominator in (SHELF, HIGH_PASS):
        response *= np.polyval(numerator[::-1], turn) / np.polyval(denominator[::-1], turn)
    return response
