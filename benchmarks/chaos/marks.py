"""Frames that tell which they are, so that each one can be found again in the log.

The lowest bit of the first samples holds the frame's number and a checksum, far below what is audible.
"""

from zlib import crc32

import numpy as np

from benchmarks.speech import Voice
from pipeline.audio.encode import to_pcm16
from pipeline.audio.resample import Samples
from pipeline.messages import SAMPLE_RATE

FRAME = SAMPLE_RATE // 10
"""Samples of a frame."""
FRAME_SECONDS = FRAME / SAMPLE_RATE
FRAME_BYTES = 2 * FRAME
NUMBER_BITS, CHECK_BITS = 24, 16
BITS = NUMBER_BITS + CHECK_BITS


def marked(voice: Voice, samples: Samples) -> list[bytes]:
    """`samples` as frames of 16-bit PCM, numbered from 0; the last one is filled up with silence."""
    whole = np.concatenate([samples, np.zeros(-samples.size % FRAME, np.float32)])
    frames = np.frombuffer(to_pcm16(whole), "<i2").reshape(-1, FRAME).copy()
    marks = [_bits(_mark(voice, number)) for number in range(len(frames))]
    frames[:, :BITS] = frames[:, :BITS] & ~1 | np.array(marks, "<i2")
    return [frame.tobytes() for frame in frames]


def number_of(voice: Voice, frame: bytes) -> int | None:
    """Which of the speaker's frames it is; None if it is none of them."""
    bits = np.frombuffer(frame, "<i2", count=BITS) & 1
    mark = int("".join(map(str, bits)), 2)
    number = mark >> CHECK_BITS
    return number if mark == _mark(voice, number) else None


def _mark(voice: Voice, number: int) -> int:
    check = crc32("\x1f".join((*voice, str(number))).encode()) % (1 << CHECK_BITS)
    return number << CHECK_BITS | check


def _bits(mark: int) -> list[int]:
    return [int(bit) for bit in f"{mark:0{BITS}b}"]
