"""Any PCM to what the pipeline works on: 16 kHz mono float32."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from av import AudioFrame, AudioResampler
from numpy.typing import NDArray

from pipeline.messages import SAMPLE_RATE

Samples = NDArray[np.float32]
"""Audio of shape (samples,), within -1 to 1."""

EMPTY: Samples = np.zeros(0, np.float32)

RATES = range(4_000, 768_001)
"""Hz. What lies outside is a broken header, and would make a small file very large."""

WIDE = frozenset({"s64", "s64p"})
"""FFmpeg's sample formats of 64-bit integers."""

SLICE = 4_096
"""Samples filtered at once: FFmpeg keeps buffers of the largest piece it ever saw, for every speaker."""


def mono(frame: AudioFrame) -> tuple[Samples, int]:
    """A decoded frame as the plain mean of its channels, at its own rate; and how many samples were not numbers.

    FFmpeg's own down-mix knows speaker layouts only; rooms also record one person a channel.
    """
    return from_pcm(planes(frame))


def planes(frame: AudioFrame) -> NDArray[np.generic]:
    """A frame's samples, shape (channels, samples), in its own number format."""
    pcm = _wide(frame) if frame.format.name in WIDE else frame.to_ndarray()
    return pcm if frame.format.is_planar else pcm.reshape(-1, frame.layout.nb_channels).T


def _wide(frame: AudioFrame) -> NDArray[np.int64]:
    """64-bit integers, of which PyAV makes no array; shape (planes, values in a plane)."""
    values = frame.samples * (1 if frame.format.is_planar else frame.layout.nb_channels)
    return np.stack([np.frombuffer(memoryview(plane), np.int64, values) for plane in frame.planes])


def from_pcm(pcm: NDArray[np.generic]) -> tuple[Samples, int]:
    """Channels of shape (channels, samples), integers at full scale or floats, as the mean channel of floats.

    NaN and infinity become silence here, before a filter can smear them; the second value counts them.
    """
    if pcm.dtype.kind == "f":
        finite = np.isfinite(pcm)
        bad = int(pcm.size - np.count_nonzero(finite))
        return _mean(np.where(finite, pcm, 0).clip(-1, 1), np.float32), bad
    scale = 2.0 ** (8 * pcm.itemsize - 1)
    offset = scale if pcm.dtype.kind == "u" else 0.0
    return ((_mean(pcm, np.float64) - offset) / scale).astype(np.float32), 0


def _mean(channels: NDArray[np.generic], kind: type[np.floating[Any]]) -> NDArray[Any]:
    """The mean channel. One channel, which most people send, is its own: a mean takes ten times as long."""
    return channels[0].astype(kind) if len(channels) == 1 else channels.mean(axis=0, dtype=kind)  # type: ignore[no-any-return]


class Resampler:
    """Mono audio of one rate to 16 kHz, block by block: any blocking of the same audio gives the same samples."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._filter = None if rate == SAMPLE_RATE else AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def push(self, samples: Samples) -> Samples:
        if (to_ours := self._filter) is None:
            return samples
        slices = (samples[begin : begin + SLICE] for begin in range(0, samples.size, SLICE))
        return _joined(out for each in slices for out in to_ours.resample(self._frame(each)))

    def _frame(self, samples: Samples) -> AudioFrame:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
        frame.sample_rate = self.rate
        return frame

    def flush(self) -> Samples:
        """What the filter still holds; the resampler is spent afterwards."""
        return EMPTY if self._filter is None else _joined(self._filter.resample(None))


def _joined(frames: Iterable[AudioFrame]) -> Samples:
    return np.concatenate([EMPTY, *(frame.to_ndarray()[0] for frame in frames)])
