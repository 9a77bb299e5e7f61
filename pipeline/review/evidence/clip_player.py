"""For the player of clips: the outline of the waveform, the loudness, other speeds, and the time of each word."""

import math
import re
from collections.abc import Iterator, Sequence

import av
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE, Flag
from pipeline.review.cases.case_values import ClipPiece
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.encode import MAX_SECONDS, encode_opus_clip

Samples = NDArray[np.float32]
"""16 kHz mono, shape (samples,)."""

TARGET_LUFS = -23.0
"""Target loudness of EBU R 128."""
MAX_GAIN_DB = 24.0
SPEEDS = (0.75, 1.0, 1.25, 1.5, 2.0)
BITRATE = 24_000


def decode_clip(clip: bytes) -> Samples:
    """Decode a clip (Ogg Opus) to 16 kHz mono, shape (samples,). Raises AudioError."""
    return read_bytes(clip, "The clip", MAX_SECONDS)[0]


def peaks(samples: Samples, count: int) -> NDArray[np.float32]:
    """Return the largest magnitude in each of `count` equal parts of the clip: shape (count,), 0 to 1."""
    if not samples.size:
        return np.zeros(count, np.float32)
    edges = np.linspace(0, samples.size, count + 1).astype(int)
    # A clip with fewer samples than parts repeats samples. `reduceat` refuses an index past the end.
    starts = np.minimum(edges[:-1], samples.size - 1)
    return np.minimum(np.maximum.reduceat(np.abs(samples), starts), 1.0).astype(np.float32)


def stretched(clip: bytes, speed: float) -> bytes:
    """Return the clip (Ogg Opus) at `speed` times its speed, with the same pitch (FFmpeg's atempo, a WSOLA)."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="flt", layout="mono", time_base=None)
    tempo = graph.add("atempo", str(speed))
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(decode_clip(clip)[None], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    graph.push(frame)
    graph.push(None)
    # The empty array: a very short clip may give no frame.
    return encode_opus_clip(np.concatenate([np.zeros(0, np.float32), *_pulled(graph)]), BITRATE)


def gain(samples: Samples) -> float:
    """Return the gain in dB that brings the clip to TARGET_LUFS, from -MAX_GAIN_DB to MAX_GAIN_DB; 0 for silence."""
    level = loudness(samples)
    return 0.0 if math.isinf(level) else float(np.clip(TARGET_LUFS - level, -MAX_GAIN_DB, MAX_GAIN_DB))


def loudness(samples: Samples) -> float:
    """Return the integrated loudness in LUFS; -inf for silence.

    The method is ITU-R BS.1770-5: K-weighting, blocks of 0.4 s, both gates.
    """
    weighted = _k_weighted(samples)
    block, step = round(0.4 * SAMPLE_RATE), round(0.1 * SAMPLE_RATE)
    starts = range(0, max(1, weighted.size - block + 1), step)
    powers = np.array([float(np.mean(weighted[start : start + block] ** 2)) for start in starts if weighted.size])
    powers = powers[powers > _power(-70.0)]  # the absolute gate
    if powers.size:
        powers = powers[powers > powers.mean() / 10]  # the relative gate: 10 LU below the mean
    # -0.691 dB takes back the gain of the K-weighting at 997 Hz.
    return -0.691 + 10 * math.log10(powers.mean()) if powers.size else -math.inf


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _k_weighted(samples: Samples) -> NDArray[np.float64]:
    """Apply the two filters of BS.1770 in the frequency domain, over the whole clip.

    BS.1770 gives their coefficients for 48 kHz, so the response is computed at that rate.
    """
    if not samples.size:
        return np.zeros(0)
    spectrum = np.fft.rfft(samples.astype(np.float64))
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE) / 48_000)
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    high_pass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.fft.irfft(spectrum * shelf * high_pass, samples.size)


def _pulled(graph: av.filter.Graph) -> list[Samples]:
    parts: list[Samples] = []
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return parts
        if isinstance(frame, av.AudioFrame):
            parts.append(frame.to_ndarray().reshape(-1).astype(np.float32))


TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+|\s+")
"""One Han character, a run of other characters, or white space. The matches together are the whole text."""

DOUBTFUL_BELOW = 0.5
"""The console marks a word below this probability as doubtful."""


class Token(Struct, frozen=True):
    """Characters `first` to `last` (exclusive) of the text, spoken from `start` to `end` (UTC seconds)."""

    text: str
    first: int
    last: int
    start: float
    end: float
    hit: bool
    doubtful: bool
    measured: bool
    """Whether the recogniser gave the times. Otherwise they are estimated from the number of characters."""


def tokens(flag: Flag) -> tuple[Token, ...]:
    """Split the whole text of a flag into tokens with times, in order."""
    return tuple(_token(flag, *span) for span in (_measured(flag) if flag.words else _estimated(flag)))


def offset_of(timeline: Sequence[ClipPiece], at: float) -> float | None:
    """Return the position of the moment `at` (UTC seconds) in the clip, in seconds.

    For a moment in a pause, return the end of the pause. For a moment after the clip, return None.
    """
    for piece in timeline:
        if at < piece.start + piece.seconds:
            return piece.offset + max(0.0, at - piece.start)
    return None


Span = tuple[int, int, float, float, bool, bool]


def _token(flag: Flag, first: int, last: int, start: float, end: float, doubtful: bool, measured: bool) -> Token:
    hit = any(hit.start < last and first < hit.end for hit in flag.hits)
    return Token(flag.text[first:last], first, last, start, end, hit, doubtful, measured)


def _measured(flag: Flag) -> Iterator[Span]:
    """Yield each word of the recogniser at its place in the text, and the text between words.

    Text between two words lasts from the end of the first to the start of the second.
    """
    cursor, clock = 0, flag.start
    for word in flag.words:
        text = word.text.strip()
        first = flag.text.find(text, cursor) if text else -1
        if first < 0:
            continue
        if first > cursor:
            yield cursor, first, clock, word.start, False, True
        cursor, clock = first + len(text), word.end
        yield first, cursor, word.start, word.end, word.probability < DOUBTFUL_BELOW, True
    if cursor < len(flag.text):
        yield cursor, len(flag.text), clock, flag.end, False, True


def _estimated(flag: Flag) -> Iterator[Span]:
    each = (flag.end - flag.start) / max(1, len(flag.text))
    for match in TOKEN.finditer(flag.text):
        first, last = match.span()
        yield first, last, flag.start + first * each, flag.start + last * each, False, False
