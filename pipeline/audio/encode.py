"""16 kHz mono audio to bytes and back: FLAC between the stages, Ogg Opus for the clips that a moderator hears."""

import io
from typing import Literal

import av
import numpy as np

from pipeline.audio.decode import read_bytes
from pipeline.audio.resample import Samples
from pipeline.errors import AudioError
from pipeline.messages import SAMPLE_RATE

MAX_SECONDS = 600.0
"""The longest audio that is encoded, or decoded, in one piece."""

FULL_SCALE = 32_768
"""Of 16-bit samples, which FLAC holds and Opus is fed with."""

NO_PADDING = {"metadata_header_padding": "0"}
"""FFmpeg leaves 8 kB for later tags else, a fifth of a short utterance."""


def to_pcm16(samples: Samples) -> bytes:
    """Shape (samples,), within -1 to 1, as 16-bit little-endian PCM; what came from such PCM comes out the same."""
    return np.rint(samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()


def encode_flac(samples: Samples) -> bytes:
    """16 kHz mono audio, shape (samples,), as FLAC of 16 bits: lossless for what came from 16-bit sources."""
    return _encode(samples, "flac", "flac", 0)


def decode_flac(data: bytes) -> Samples:
    """The audio of `encode_flac`, shape (samples,), 16 kHz; any other format works, too. Raises AudioError."""
    return read_bytes(data, "The utterance's audio", MAX_SECONDS)[0]


def encode_opus_clip(samples: Samples, bitrate: int = 24_000) -> bytes:
    """16 kHz mono audio, shape (samples,), as Ogg Opus of `bitrate` bits a second, which browsers play."""
    return _encode(samples, "ogg", "libopus", bitrate)


def _encode(samples: Samples, container: str, codec: Literal["flac", "libopus"], bitrate: int) -> bytes:
    if not 0 < samples.size <= MAX_SECONDS * SAMPLE_RATE:
        raise AudioError(
            f"Cannot encode {samples.size / SAMPLE_RATE:g} s of audio", f"At most {MAX_SECONDS:g} s at once."
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
        output.mux(stream.encode(None))
    return file.getvalue()
