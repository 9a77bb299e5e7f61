"""Count the audio samples of a binary frame without decoding it."""

from agents.gateway.opus import checked_samples
from agents.gateway.request import Voice
from pipeline.audio.pcm import PCM
from pipeline.errors import InputError


def samples_in(frame: bytes, voice: Voice) -> int:
    """Return the samples of one channel at `voice.sample_rate`.

    Raises InputError for a frame that is not valid audio.
    """
    if voice.codec == "opus":
        return checked_samples(frame)
    size = PCM[voice.codec].itemsize * voice.channels
    if len(frame) % size:
        raise InputError(
            f"A frame of {len(frame)} bytes is not whole: one sample of every channel takes {size}",
            "Send whole samples.",
        )
    return len(frame) // size
