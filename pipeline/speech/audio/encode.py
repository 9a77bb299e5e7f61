"""Encodes and decodes 16 kHz mono audio: FLAC between the stages, Ogg Opus for the clips that moderators play."""

import io
from typing import Literal

import av
import numpy as np

from pipeline.base.errors import AudioError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import read_bytes
from pipeline.speech.audio.resample import Samples

MAX_SECONDS = 600.0
"""Maximum seconds of audio that is encoded or decoded at once."""

FULL_SCALE = 32_768
"""Full scale of 16-bit samples, the input of both encoders."""

NO_PADDING = {"metadata_header_padding": "0"}
"""By default FFmpeg reserves 8 kB for tags, a fifth of a short utterance."""


def to_pcm16(samples: Samples) -> bytes:
    """Convert audio, shape (samples,), from -1 to 1, to 16-bit little-endian PCM. Lossless for 16-bit sources."""
    return np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()


def encode_flac(samples: Samples) -> bytes:
    """Encode 16 kHz mono audio, shape (samples,), as 16-bit FLAC. Lossless for 16-bit sources. Raises AudioError."""
    return _encode(samples, "flac", "flac", 0)


def decode_flac(data: bytes) -> Samples:
    """Decode `encode_flac`'s output to 16 kHz mono, shape (samples,). Other formats work, too. Raises AudioError."""
    return read_bytes(data, "The utterance's audio", MAX_SECONDS)[0]


def encode_opus_clip(samples: Samples, bitrate: int = 24_000) -> bytes:
    """Encode 16 kHz mono audio, shape (samples,), as Ogg Opus with `bitrate` bits per second. Raises AudioError."""
    return _encode(samples, "ogg", "libopus", bitrate)


def _encode(samples: Samples, container: str, codec: Literal["flac", "libopus"], bitrate: int) -> bytes:
    if not 0 < samples.size <= MAX_SECONDS * SAMPLE_RATE:
        raise AudioError(
            f"Cannot encode {samples.size / SAMPLE_RATE:g} s of audio",
            f"Encode more than 0 s and at most {MAX_SECONDS:g} s at once.",
        )
    pcm = np.frombuffer(to_pcm16(samples), "<i2")
    frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=NO_PADDING) as output:
        stream = output.add_stream(codec, rate=SAMPLE_RATE, layout="mono")
        if bitrate:
            stream.bit_rate = bitrate
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))  # flushes the encoder
    return file.getvalue()
