"""Limit how fast a client may send."""

from collections.abc import Callable

from agents.gateway.close import Close, RefusalError
from pipeline.base.token_bucket import TokenBucket
from pipeline.settings import GatewaySettings


class Limits:
    """The limits of one connection. Each method raises RefusalError when its limit is exceeded."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float]) -> None:
        def bucket(rate: float, least: float = 0.0) -> TokenBucket:
            return TokenBucket(rate, max(rate * settings.burst_seconds, least), clock)

        self._bytes = bucket(settings.max_bytes_per_second, settings.max_frame_bytes)
        self._frames = bucket(settings.max_frames_per_second)
        self._audio = TokenBucket(settings.max_speed, settings.burst_seconds, clock)
        self._invalid = bucket(settings.max_invalid_per_second)

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
