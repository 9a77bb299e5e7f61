"""Limit how fast a client may send."""

from collections.abc import Callable

from agents.gateway.close import Close, RefusalError
from pipeline.base.rates import TokenBucket
from pipeline.settings import GatewaySettings

MAX_FRAME_BYTES = 262_144
"""Largest frame: 1.3 s of PCM at 48 kHz stereo, far more than any client sends at once."""

BYTES_PER_SECOND = 400_000
"""Bytes of one connection, on average: twice those of PCM at 48 kHz stereo."""

FRAMES_PER_SECOND = 500
"""Frames of one connection, on average. Opus has at most 400 packets a second."""

MAX_BROKEN_PER_SECOND = 5.0
"""Broken frames of one connection, on average. A client that sends more will not send speech."""


class Limits:
    """The limits of one connection. Each method raises RefusalError when its limit is exceeded."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float]) -> None:
        def bucket(rate: float) -> TokenBucket:
            return TokenBucket(rate, rate * settings.burst_seconds, clock)

        self._bytes = bucket(BYTES_PER_SECOND)
        self._frames = bucket(FRAMES_PER_SECOND)
        self._audio = TokenBucket(settings.max_speed, settings.burst_seconds, clock)
        self._invalid = bucket(MAX_BROKEN_PER_SECOND)

    def count_frames(self, frames: int, size: int) -> None:
        """Count `frames` frames of `size` bytes in total. Text frames count, too."""
        if not (self._bytes.take(size) and self._frames.take(frames)):
            raise RefusalError(Close.TOO_FAST, "Too many bytes or frames a second", "Send audio as it is spoken.")

    def count_audio(self, seconds: float) -> None:
        """Count `seconds` of audio."""
        if not self._audio.take(seconds):
            raise RefusalError(Close.TOO_FAST, "Too much audio a second", "Send audio as it is spoken.")

    def count_broken(self, frames: int, why: str) -> None:
        """Count `frames` broken frames. `why` is the fault of the last one."""
        if not self._invalid.take(frames):
            raise RefusalError(Close.BAD_AUDIO, f"Too many broken frames. {why}")
