"""Frames that carry their number, so that each can be found again in the log and the store.

The lowest bit of the first samples holds the frame's number and a checksum, far below what is audible. The pipeline
keeps 16 kHz audio unchanged to the bit, so it keeps the marks, wherever it cuts.
"""

import itertools
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples
from tests.speech import SpokenSpan, Voice

FRAME = SAMPLE_RATE // 10
"""Samples in a frame."""
FRAME_SECONDS = FRAME / SAMPLE_RATE
NUMBER_BITS, CHECK_BITS = 24, 24
BITS = NUMBER_BITS + CHECK_BITS

Pcm = NDArray[np.int16]


def marked(voice: Voice, samples: Samples) -> list[bytes]:
    """`samples` as frames of 16-bit PCM, numbered from 0. The last one is padded with silence."""
    whole = np.concatenate([samples, np.zeros(-samples.size % FRAME, np.float32)])
    frames = np.frombuffer(to_pcm16(whole), "<i2").reshape(-1, FRAME).copy()
    marks = [f"{number:0{NUMBER_BITS}b}{_check(voice, number):0{CHECK_BITS}b}" for number in range(len(frames))]
    frames[:, :BITS] = frames[:, :BITS] & ~1 | np.array([list(map(int, mark)) for mark in marks], "<i2")
    return [frame.tobytes() for frame in frames]


def said_in(voice: Voice, pcm: Pcm, count: int) -> list[SpokenSpan]:
    """Which of the speaker's `count` frames are in `pcm`, shape (samples,), as spans of the spoken audio.

    Times are seconds since the speaker's first sample. Audio before the first mark and after the last one belongs to
    the frames there. There are several spans if `pcm` leaves something out.
    """
    places = _places(voice, pcm, count)
    if not places:
        return []
    begins = [0, *(at for at in range(1, len(places)) if not _follows(*places[at - 1], *places[at])), len(places)]
    runs = [places[begin:end] for begin, end in itertools.pairwise(begins)]
    return [_span(voice, run, pcm.size) for run in runs]


def _span(voice: Voice, run: list[tuple[int, int]], size: int) -> SpokenSpan:
    (at, first), (end, last) = run[0], run[-1]
    before = at if at < FRAME else 0
    return SpokenSpan(
        *voice, (first * FRAME - before) / SAMPLE_RATE, (last * FRAME + min(FRAME, size - end)) / SAMPLE_RATE
    )


def _follows(at: int, number: int, next_at: int, next_number: int) -> bool:
    return next_at - at == FRAME * (next_number - number)


def _places(voice: Voice, pcm: Pcm, count: int) -> list[tuple[int, int]]:
    """The positions of frame marks, in samples, and their frame numbers."""
    if pcm.size < BITS:
        return []
    bits = (pcm & 1).astype(np.int64)
    numbers = _read(bits[: bits.size - CHECK_BITS], NUMBER_BITS)
    checks = _read(bits[NUMBER_BITS:], CHECK_BITS)
    likely = np.flatnonzero(numbers < count)
    found = ((int(at), int(numbers[at])) for at in likely)
    return [(at, number) for at, number in found if checks[at] == _check(voice, number)]


def _read(bits: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """The number that starts at each bit."""
    return sliding_window_view(bits, width) @ (1 << np.arange(width - 1, -1, -1, dtype=np.int64))


@lru_cache(maxsize=1 << 20)
def _check(voice: Voice, number: int) -> int:
    return crc32("\x1f".join((*voice, str(number))).encode()) % (1 << CHECK_BITS)
