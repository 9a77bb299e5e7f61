"""Music or singing, against speech and other sounds: a network that was trained for it by others.

The network is the audio event detection of FireRedVAD (K. Xu et al., "FireRedASR2S", 2026). `python -m
training.sound.music` makes the model of their weights. music_model/README.md is its model card.

Its input is levels in mel bands, frame by frame. They are the filter banks of Kaldi (D. Povey et al., "The Kaldi speech
recognition toolkit", ASRU 2011) with its usual settings, because the model was trained with them.
"""

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.sound.sound_windows import HEARD
from pipeline.speech.audio.encode import FULL_SCALE
from pipeline.speech.audio.resample import Samples

FRAME = 400
"""Samples of a frame: 25 ms."""
STEP = 160
"""Samples from one frame to the next: 10 ms."""
BANDS = 80
LOWEST, HIGHEST = 20.0, SAMPLE_RATE / 2
"""Hz."""
EMPHASIS = np.float32(0.97)
"""Share of the sample before that is taken off a sample, so that low frequencies are quieter."""
BINS = 512
"""Samples of the Fourier transform: a frame and zeros."""
TOGETHER = 100
"""Frames that are computed at once. With more, getting memory for the arrays takes longer than computing them."""
FLOOR = np.float32(np.finfo(np.float32).eps)
"""Least power in a band, in squares of 16-bit samples."""

Levels = NDArray[np.float32]
"""Natural logarithms of power, shape (frames, BANDS)."""
MODEL = Path(__file__).parent / "music_model" / "music.onnx"
"""Input `levels`, shape (batch, frames, BANDS); output `shares`, shape (batch, frames, SOUNDS), from 0 to 1."""
SOUNDS = ("speech", "singing", "music")
"""What the model hears. They may sound at once."""
MUSIC_WINDOW = 5 * SAMPLE_RATE
"""Samples of a window. In the middle of it, the model hears 1.6 s to both sides."""
GLANCE = 2 * SAMPLE_RATE
"""The last samples of a window. Only if they have music, the whole window is heard: so talk costs less than half."""
QUIETEST = 1e-6
"""Mean square of the quietest window that is heard: -60 dB of full scale."""


def music_levels(samples: Samples) -> Levels:
    """The levels of all whole frames of `samples`, shape (samples,), from -1 to 1."""
    # The network was trained with the levels of 16-bit samples.
    frames = np.lib.stride_tricks.sliding_window_view(samples * np.float32(FULL_SCALE), FRAME)[::STEP]
    return np.concatenate([_levels(frames[at : at + TOGETHER]) for at in range(0, len(frames), TOGETHER)])


def _levels(frames: NDArray[np.float32]) -> Levels:
    # As Kaldi does: remove the offset of each frame, then emphasise high frequencies. The first sample is its own
    # predecessor.
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window, bands = _tables()
    spectrum = np.fft.rfft((frames - EMPHASIS * before) * window, BINS)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    # In double precision, because sums of a matrix product depend on the place of their row in the last bits.
    found: Levels = np.log(np.maximum(power.astype(np.float64) @ bands, FLOOR)).astype(np.float32)
    return found


@cache
def _tables() -> tuple[Samples, Levels]:
    """Povey's window, and the weight of each bin in each band: triangles on the mel scale, shape (bins, BANDS)."""
    lowest, highest = _mel(np.array([LOWEST, HIGHEST])).tolist()
    edges = np.linspace(lowest, highest, BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bins = _mel(np.fft.rfftfreq(BINS, 1 / SAMPLE_RATE))[:, None]
    triangles = np.clip(np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)), 0, None)
    return (np.hanning(FRAME) ** 0.85).astype(np.float32), triangles.astype(np.float32)


def _mel(hertz: NDArray[np.floating]) -> NDArray[np.floating]:
    return 1_127 * np.log1p(hertz / 700)


class Music:
    """Scores windows of WINDOW samples, each by itself. In a quiet window, nothing is heard."""

    def score(self, window: Samples) -> float:
        if float(np.square(window).mean()) < QUIETEST or _share(window[-GLANCE:]) < HEARD:
            return 0.0
        return _share(window)


def _share(samples: Samples) -> float:
    """How much music or singing there is, from 0 to 1."""
    [shares] = _session().run(["shares"], {"levels": music_levels(samples)[None]})
    musical = [SOUNDS.index("singing"), SOUNDS.index("music")]
    return float(shares[0][:, musical].max(axis=1).mean())


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
