"""Whisper's input: the log-mel spectrogram of a clip in NumPy, and its length and padding for the encoder.

Whisper was trained on clips of 30 s and pads each clip to 30 s. An utterance needs only its own length and a margin.
Without a margin, the decoder misses a pause after the last word, and continues to write. In English, a margin of zeros
is nearly as bad, because no room sounds like that. The decoder hears the clip's own quietest level as a pause.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import WeightsMissing
from pipeline.base.libraries import data_file
from pipeline.speech.asr.recogniser import Samples

Mel = NDArray[np.float32]
"""Log-mel spectrogram, shape (bands, frames), one frame per 10 ms. It is scaled for Whisper, to about -1.5 to 1.5."""

FRAMES_PER_SECOND = 100
HOP = 160
WINDOW = 400
RANGE = 8.0
"""Dynamic range in powers of ten. Bins that are further below the clip's loudest bin are raised to this floor."""

MARGIN = 100
"""Length of the margin after a clip, in frames. It has the clip's own quietest level."""

STEP = 10
"""Lengths are rounded up to a multiple of this number of frames."""

POSITIONS_PER_SECOND = FRAMES_PER_SECOND // 2
"""Encoder positions per second of audio."""

LONGEST = 30 * FRAMES_PER_SECOND

MOST_TOKENS = 224
"""Maximum tokens of a text: half of the decoder's capacity. As in openai-whisper, the other half is for a prompt."""

SILENCE = 0.0
"""Log-mel value of silence. The encoding of this silence pads short encodings. openai-whisper pads with the same value.
With -0.6 and -1, the error rate on difficult Mandarin was 50.0% and 53.5% instead of 47.4%. Other speech hardly
changed."""

LIMITS = (3.0, 5.0, 8.0, 12.0, 17.0, 23.0, 30.0)
"""Limits in seconds. Clips in a batch have the same limit and are padded to it, so a text depends on its clip alone.
Padding is cheap (8 s instead of 4 s: a sixth slower). Smaller batches are expensive (4 clips instead of 8: half as
fast)."""


def log_mel(samples: Samples, bands: int) -> Mel:
    """The log-mel spectrogram of one clip, shape (samples,), with `bands` bands. The clip's loudest bin sets the floor.

    A clip of 5 s takes one millisecond. Source: `whisper/audio.py` of openai-whisper.
    """
    half = WINDOW // 2
    # openai-whisper appends zeros, and torch.stft reflects the edges.
    padded = np.pad(np.pad(samples, (0, WINDOW)), half, mode="reflect")
    # Short-time Fourier transform.
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][: max(1, len(samples) // HOP)]
    spectrum = np.fft.rfft(frames * _hann())
    power = spectrum.real**2 + spectrum.imag**2
    # In float64: in float32 the last bit depends on the number of BLAS threads. With 8-bit weights, that can change
    # the confidence by half a point.
    logarithm = np.log10(np.maximum(_filters(bands) @ power.T, 1e-10))
    # Limit the dynamic range, then scale as in Whisper's training.
    scaled: Mel = ((np.maximum(logarithm, logarithm.max() - RANGE) + 4) / 4).astype(np.float32)
    return scaled


@cache
def _hann() -> NDArray[np.float64]:
    return np.hanning(WINDOW + 1)[:-1]  # periodic, as torch.hann_window


@cache
def _filters(bands: int) -> NDArray[np.float64]:
    """The mel filters, shape (bands, 201), from a file of the package openai-whisper.

    Raises WeightsMissing if the package is not installed. Its dependencies are not needed.
    """
    file = data_file("openai-whisper", "whisper/assets/mel_filters.npz")
    if file is None:
        raise WeightsMissing(
            "The package openai-whisper is not installed", "Install it: pip install --no-deps openai-whisper"
        )
    with np.load(file) as filters:
        return np.asarray(filters[f"mel_{bands}"], np.float64)


def own_length(mel: Mel) -> Mel:
    """`mel`, shape (bands, frames), with its margin, at most 30 s."""
    return filled(mel, min(-(-(mel.shape[1] + MARGIN) // STEP) * STEP, LONGEST), float(mel.min()))


def as_trained(mel: Mel, seconds: float) -> Mel:
    """`mel`, shape (bands, frames), padded with zeros to `seconds`, as openai-whisper pads."""
    return filled(mel, max(mel.shape[1], round(seconds * FRAMES_PER_SECOND)), 0.0)


def filled(mel: Mel, frames: int, level: float) -> Mel:
    """`mel` with exactly `frames` frames, shape (bands, frames). It is cut, or padded with `level`."""
    whole = np.full((mel.shape[0], frames), level, np.float32)
    kept = min(frames, mel.shape[1])
    whole[:, :kept] = mel[:, :kept]
    return whole


def mel_seconds(mel: Mel) -> float:
    """Length of `mel` in seconds."""
    seconds: float = mel.shape[1] / FRAMES_PER_SECOND
    return seconds


def limit_of(positions: int) -> float:
    """The smallest limit, in seconds, for an encoding with `positions` positions."""
    return next(limit for limit in LIMITS if positions <= limit * POSITIONS_PER_SECOND)


def with_margin(mel: Mel) -> float:
    """The smallest limit, in seconds, for a clip with its margin; at most 30 s."""
    return limit_of(min(mel.shape[1] + MARGIN, LONGEST) // 2)


def budget(limit: float) -> int:
    """Maximum tokens of a text for a limit in seconds. A decoder that writes more loops, and delays its batch."""
    # - 1: nobody speaks in the second of margin.
    return min(round(8 + 10 * (limit - 1)), MOST_TOKENS)


def last_timestamp(limit: float) -> int:
    """The last allowed timestamp, in steps of 20 ms. It is shortly after the latest possible end of speech."""
    return LONGEST // 2 if limit == LIMITS[-1] else round((limit - 0.7) * POSITIONS_PER_SECOND)
