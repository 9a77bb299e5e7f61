"""Count the audio samples of a frame without decoding it. A frame is some PCM samples, or one Opus packet."""

from pipeline.base.errors import InputError
from pipeline.contract.messages import StreamCodec
from pipeline.speech.audio.opus_check import checked_samples
from pipeline.speech.audio.pcm import PCM


def samples_in(frame: bytes, codec: StreamCodec, channels: int) -> int:
    """Return the samples of one channel. Opus counts at 48 kHz. Raises InputError for a frame that is not valid audio.

    The gateway and its client both count with this function, so their sample numbers agree.
    """
    if codec == "opus":
        return checked_samples(frame)
    size = PCM[codec].itemsize * channels
    if len(frame) % size:
        raise InputError(
            f"A frame of {len(frame)} bytes is not whole: one sample of every channel takes {size}",
            "Send whole samples.",
        )
    return len(frame) // size
