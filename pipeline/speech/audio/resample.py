"""Converts PCM of any format to the pipeline's format: 16 kHz mono float32."""

from collections.abc import Callable, Iterable

import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.frame import format_dtypes
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE

Samples = NDArray[np.float32]
"""Mono audio, shape (samples,), from -1 to 1."""

EMPTY: Samples = np.zeros(0, np.float32)

RATES = range(4_000, 768_001)
"""Accepted sample rates in Hz. Other rates come from broken headers, and could turn a small file into huge audio."""

KINDS = {**format_dtypes, "s64": "i8", "s64p": "i8"}
"""NumPy's type of each sample format of FFmpeg. PyAV has none for 64-bit integers."""

SLICE = 4_096
"""Samples per call of the filter. FFmpeg keeps buffers for the largest call, for each speaker."""


Mix = Callable[[NDArray[np.float32]], Samples]
"""A function that mixes channels, shape (channels, samples), to one, shape (samples,)."""


def mean(channels: NDArray[np.float32]) -> Samples:
    """The mean of the channels, shape (samples,). For recordings.

    Speech of one channel can be lost in the mean. So `recording_parts.py` finds these channels of a recording, and they
    are also processed separately.
    """
    mixed: Samples = channels.mean(axis=0)
    return mixed


def not_cancelled(channels: NDArray[np.float32]) -> Samples:
    """Mix the channels of live audio so that they cannot cancel each other. Shape (channels, samples) to (samples,).

    A client could send a voice and its inverse, so that the mean is silent. With other fixed weights, a client could do
    the same. So each sample is a blend of the mean and the loudest channel. It is the mean if the mean is at least half
    as large as the loudest channel. The smaller the mean is, the more the loudest channel replaces it.
    """
    middle = channels.mean(axis=0)
    loudest = np.take_along_axis(channels, np.abs(channels).argmax(axis=0)[None], axis=0)[0]
    left = np.abs(middle) / np.maximum(np.abs(loudest), np.finfo(np.float32).tiny)
    mixed: Samples = middle + np.maximum(0, 1 - 2 * left) * (loudest - middle)
    return mixed


def planes(frame: AudioFrame) -> NDArray[np.generic]:
    """A frame's samples, shape (channels, samples), in the frame's own sample format."""
    channels, planar = frame.layout.nb_channels, frame.format.is_planar
    values = frame.samples * (1 if planar else channels)
    # PyAV's `frame.planes` and `to_ndarray` read past the end of eight or more planes: the process would crash.
    each = (AudioPlane(frame, number) for number in range(channels if planar else 1))
    pcm = np.stack([np.frombuffer(memoryview(plane), KINDS[frame.format.name], values) for plane in each])
    return pcm if planar else pcm.reshape(-1, channels).T


def from_pcm(pcm: NDArray[np.generic], mix: Mix) -> tuple[Samples, int]:
    """Mix channels, shape (channels, samples), to one float channel. Samples are floats or full-scale integers.

    NaN and infinite samples become silence before a filter can spread them. The second value is their number.
    """
    # Not FFmpeg's own downmix, which assumes loudspeakers. Some rooms record one person per channel.
    floats, bad = as_floats(pcm)
    return (floats[0] if len(floats) == 1 else mix(floats)), bad


def as_floats(pcm: NDArray[np.generic]) -> tuple[NDArray[np.float32], int]:
    """Convert samples of any shape as `from_pcm`, without a mix."""
    if pcm.dtype.kind == "f":
        finite = np.isfinite(pcm)
        bad = int(pcm.size - np.count_nonzero(finite))
        return np.where(finite, pcm, 0).clip(-1, 1).astype(np.float32), bad
    scale = 2.0 ** (8 * pcm.itemsize - 1)
    offset = scale if pcm.dtype.kind == "u" else 0.0
    # float32 cannot hold all 32-bit integers, so the offset is subtracted in float64.
    return ((pcm.astype(np.float64) - offset) / scale).astype(np.float32), 0


class Resampler:
    """Resamples mono audio from `rate` to 16 kHz, block by block. The block sizes do not change the result."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._filter = None if rate == SAMPLE_RATE else AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def push(self, samples: Samples) -> Samples:
        """Resample a block, shape (samples,). The filter holds the last few samples until the next call."""
        if (to_ours := self._filter) is None:
            return samples
        slices = (samples[begin : begin + SLICE] for begin in range(0, samples.size, SLICE))
        return _joined(out for each in slices for out in to_ours.resample(self._frame(each)))

    def _frame(self, samples: Samples) -> AudioFrame:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="flt", layout="mono")
        frame.sample_rate = self.rate
        return frame

    def flush(self) -> Samples:
        """Return the samples that the filter still holds. Do not use the resampler afterwards."""
        return EMPTY if self._filter is None else _joined(self._filter.resample(None))


def _joined(frames: Iterable[AudioFrame]) -> Samples:
    return np.concatenate([EMPTY, *(frame.to_ndarray()[0] for frame in frames)])
