"""Any PCM to what the pipeline works on: 16 kHz mono float32."""

from collections.abc import Callable, Iterable

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


Mix = Callable[[NDArray[np.float32]], Samples]
"""Makes one channel of several, shape (channels, samples)."""


def mean(channels: NDArray[np.float32]) -> Samples:
    """The mean channel, for recordings: their channels are looked at one by one, too (`pipeline/audio/parts.py`)."""
    mixed: Samples = channels.mean(axis=0)
    return mixed


def not_cancelled(channels: NDArray[np.float32]) -> Samples:
    """The mean channel; but where channels cancel each other, the loudest of them. For live audio, which is heard once.

    Someone may send a voice and its opposite, so that the mean is silent. Any fixed weights can be cancelled like that.
    So each sample moves from the mean to the loudest channel as the mean falls from half of that channel to nothing.
    """
    middle = channels.mean(axis=0)
    loudest = np.take_along_axis(channels, np.abs(channels).argmax(axis=0)[None], axis=0)[0]
    left = np.abs(middle) / np.maximum(np.abs(loudest), np.finfo(np.float32).tiny)
    mixed: Samples = middle + np.maximum(0, 1 - 2 * left) * (loudest - middle)
    return mixed


def planes(frame: AudioFrame) -> NDArray[np.generic]:
    """A frame's samples, shape (channels, samples), in its own number format."""
    pcm = _wide(frame) if frame.format.name in WIDE else frame.to_ndarray()
    return pcm if frame.format.is_planar else pcm.reshape(-1, frame.layout.nb_channels).T


def _wide(frame: AudioFrame) -> NDArray[np.int64]:
    """64-bit integers, of which PyAV makes no array; shape (planes, values in a plane)."""
    values = frame.samples * (1 if frame.format.is_planar else frame.layout.nb_channels)
    return np.stack([np.frombuffer(memoryview(plane), np.int64, values) for plane in frame.planes])


def from_pcm(pcm: NDArray[np.generic], mix: Mix) -> tuple[Samples, int]:
    """Channels of shape (channels, samples), integers at full scale or floats, as one channel of floats.

    FFmpeg's own down-mix knows speaker layouts only; rooms also record one person a channel.
    NaN and infinity become silence here, before a filter can smear them; the second value counts them.
    """
    floats, bad = _floats(pcm)
    return (floats[0] if len(floats) == 1 else mix(floats)), bad


def _floats(pcm: NDArray[np.generic]) -> tuple[NDArray[np.float32], int]:
    if pcm.dtype.kind == "f":
        finite = np.isfinite(pcm)
        bad = int(pcm.size - np.count_nonzero(finite))
        return np.where(finite, pcm, 0).clip(-1, 1).astype(np.float32), bad
    scale = 2.0 ** (8 * pcm.itemsize - 1)
    offset = scale if pcm.dtype.kind == "u" else 0.0
    return ((pcm.astype(np.float64) - offset) / scale).astype(np.float32), 0


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
