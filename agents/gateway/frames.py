"""How much audio a binary frame holds, told without decoding it."""

from agents.gateway.opus import checked_samples
from agents.gateway.request import Voice
from pipeline.errors import InputError

WIDTHS = {"pcm_s16le": 2, "pcm_f32le": 4}
"""Bytes a sample."""


def samples_in(frame: bytes, voice: Voice) -> int:
    """Samples of one channel at `voice.sample_rate`; raises InputError for a frame that cannot be one."""
    if voice.codec == "opus":
        return checked_samples(frame)
    size = WIDTHS[voice.codec] * voice.channels
    if len(frame) % size:
        raise InputError(
            f"A frame of {len(frame)} bytes, where one sample of every channel takes {size}", "Send whole samples."
        )
    return len(frame) // size
