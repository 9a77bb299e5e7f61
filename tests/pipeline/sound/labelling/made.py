"""Makes the rhythm label as providers may make it, and recordings with implicit labels."""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.resample import Samples

Wave = NDArray[np.float64]

FIELDS = {
    "Label": "1",
    "ContentProducer": "PRODUCER-1",
    "ProduceID": "20261129-1",
    "ReservedCode1": "",
    "ContentPropagator": "PRODUCER-1",
    "PropagateID": "20261129-1",
    "ReservedCode2": "",
}
FIELD = json.dumps({"AIGC": FIELDS})
"""A valid field."""


def _tones(*harmonics: float) -> Callable[[np.random.Generator, float, Wave], Wave]:
    def make(random: np.random.Generator, pitch: float, time: Wave) -> Wave:
        del random
        heard = [each for each in harmonics if each * pitch < SAMPLE_RATE / 2]
        return np.asarray(np.sum([np.sin(2 * np.pi * each * pitch * time) / each for each in heard], axis=0))

    return make


def _bell(random: np.random.Generator, pitch: float, time: Wave) -> Wave:
    faded: Wave = _tones(1)(random, pitch, time) * np.exp(-1.5 * time / max(time[-1], 0.05))
    return faded


def _noise(random: np.random.Generator, pitch: float, time: Wave) -> Wave:
    del pitch
    return random.normal(size=time.size)


VOICES = {
    "sine": _tones(1),
    "square": _tones(1, 3, 5),
    "chord": _tones(1, 1.25, 1.5),
    "buzz": _tones(*(0.1 * n for n in range(1, 20))),
    "bell": _bell,
    "noise": _noise,
}
"""Sounds of a pulse: functions of the pitch in Hz and the time in seconds, shape (samples,)."""


@dataclass(frozen=True, slots=True)
class Beat:
    """How a rhythm is played. Lengths are multiples of the short pulse."""

    voice: str = "sine"
    pitch: float = 800.0
    short: float = 0.1
    """Seconds of a short pulse."""
    long: float = 3.0
    gap: float = 1.0
    letter_gap: float = 3.0


def rhythm(beat: Beat = Beat(), level: float = 0.1, seed: int = 0) -> Samples:
    """The rhythm, shape (samples,), 16 kHz. `level`: root mean square of the pulses."""
    return played(beat, [1, -beat.gap, beat.long, -beat.letter_gap, 1, -beat.gap, 1], level, seed)


def played(beat: Beat, lengths: list[float], level: float = 0.1, seed: int = 0) -> Samples:
    """Pulses, and gaps where a length is negative. Lengths are multiples of `beat.short`."""
    random = np.random.default_rng(seed)
    wave = np.concatenate([_part(beat, each, random) for each in lengths])
    scale = level / max(float(np.sqrt(np.mean(np.square(wave[wave != 0])))), 1e-9)
    return (wave * scale).clip(-1, 1).astype(np.float32)


def _part(beat: Beat, length: float, random: np.random.Generator) -> Wave:
    time = np.arange(round(abs(length) * beat.short * SAMPLE_RATE)) / SAMPLE_RATE
    if length < 0:
        return np.zeros(time.size)
    wave = VOICES[beat.voice](random, beat.pitch, time)
    edge = min(SAMPLE_RATE // 200, time.size // 4)
    wave[:edge] *= np.linspace(0, 1, edge)
    wave[time.size - edge :] *= np.linspace(1, 0, edge)
    return wave


def recorded(
    samples: Samples,
    container: str = "wav",
    codec: str = "pcm_s16le",
    tags: Mapping[str, str] | None = None,
    rate: int = SAMPLE_RATE,
) -> bytes:
    """A whole file with `tags`, those of the stream for Ogg."""
    file = io.BytesIO()
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    options = {"movflags": "use_metadata_tags"} if container in {"ipod", "mp4", "mov"} else {}
    with av.open(file, "w", format=container, options=options) as output:
        stream: Any = output.add_stream(codec, rate=rate, layout="mono")
        (stream if container == "ogg" else output).metadata.update(tags or {})
        spread = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size or 0
        )
        for piece in [*spread.resample(frame), *spread.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return file.getvalue()


def with_chunk(wav: bytes, name: bytes, content: bytes) -> bytes:
    """A WAV file with one more chunk at its end."""
    return _sized(wav + chunk(name, content))


def chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _sized(wav: bytes) -> bytes:
    return wav[:4] + (len(wav) - 8).to_bytes(4, "little") + wav[8:]
