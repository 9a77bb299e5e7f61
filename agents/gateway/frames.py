"""Count the audio samples of a binary frame without decoding it."""

from agents.gateway.opus import checked_samples
from agents.gateway.request import Voice
from pipeline.errors import InputError

WIDTHS = {"pcm_s16le": 2, "pcm_f32le": 4}
"""Bytes of one sample."""


def samples_in(frame: bytes, voice: Voice) -> int:
    """Return the samples of one channel at `voice.sample_rate`.

    Raises InputError for a frame that is not valid audio.
    """
    if voice.codec == "opus":
        return checked_samples(frame)
    size = WIDTHS[voice.codec] * voice.channels
    if len(frame) % size:
        raise InputError(
            f"A frame of {len(frame)} bytes is not whole: one sample of every channel takes {size}",
            "Send whole samples.",
        )
    return len(frame) // size
