"""Speakers who say the clips of tests/data at known times."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import to_pcm16
from pipeline.speech.audio.resample import Samples

CLIPS = Path(__file__).parent / "data"

QUIET = 0.05
"""A moment is quiet if it is below this share of the loudest one."""

Voice = tuple[str, str]
"""Room and speaker."""


@dataclass(frozen=True, slots=True)
class SpokenSpan:
    """Speech of one speaker, UTC seconds."""

    room: str
    speaker: str
    start: float
    end: float

    @property
    def voice(self) -> Voice:
        return self.room, self.speaker

    def shared(self, other: "SpokenSpan") -> float:
        """Seconds that both share. Negative: the gap between them."""
        return min(self.end, other.end) - max(self.start, other.start)


def threat() -> Samples:
    """Somebody says "I know where you live and I'm going to kill you", with pauses around it."""
    demo = samples_of(CLIPS.parents[1] / "pipeline" / "runner" / "demo" / "lounge-ben.ogg")
    return demo[round(23.5 * SAMPLE_RATE) : round(28.5 * SAMPLE_RATE)]


@lru_cache(maxsize=1)
def clips() -> tuple[Samples, ...]:
    return tuple(samples_of(path) for path in sorted(CLIPS.glob("*.flac")))


def talk(seconds: float, random: Random) -> Samples:
    """Clips with pauses of one to four seconds between them, 16 kHz, shape (samples,)."""
    pieces: list[Samples] = []
    while sum(map(len, pieces)) < seconds * SAMPLE_RATE:
        pause = np.zeros(round(random.uniform(1, 4) * SAMPLE_RATE), np.float32)
        pieces += [pause, random.choice(clips())]
    return np.concatenate(pieces)


def opus_packets(sound: Samples) -> list[bytes]:
    """Packets of 20 ms. The samples that do not fill a packet are left out."""
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = SAMPLE_RATE, "mono", "s16", 24_000
    encoder.options = {"application": "voip", "frame_duration": "20"}
    frame = av.AudioFrame.from_ndarray(np.frombuffer(to_pcm16(sound), "<i2")[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    fifo = av.AudioFifo()
    fifo.write(frame)
    encoder.open()
    packets: list[bytes] = []
    while part := fifo.read(encoder.frame_size):
        packets += [bytes(packet) for packet in encoder.encode(part)]
    return packets


def merged(spans: Sequence[SpokenSpan], gap: float = 0.0) -> list[SpokenSpan]:
    """Merges spans of one speaker that touch or are at most `gap` seconds apart."""
    found: list[SpokenSpan] = []
    for span in sorted(spans, key=lambda span: (span.voice, span.start)):
        last = found[-1] if found else None
        if last and last.voice == span.voice and last.shared(span) >= -gap:
            found[-1] = SpokenSpan(*span.voice, last.start, max(last.end, span.end))
        else:
            found.append(span)
    return found


def unbroken(*spoken: Samples) -> Samples:
    """The speech in one go, 16 kHz: of each quiet moment, only a tenth of a second is left."""
    joined = np.concatenate(spoken)
    tenth = SAMPLE_RATE // 10
    moments = joined[: joined.size - joined.size % tenth].reshape(-1, tenth)
    loud = np.abs(moments).max(axis=1) > QUIET * np.abs(joined).max()
    kept: Samples = moments[loud | np.append(False, loud[:-1])].reshape(-1)
    return kept
