"""The frames of one speaker: number and date them as the gateway does, and hold them until it acknowledges them.

docs/integrate.md, "Keep times correct", describes the numbers and times.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.base.errors import InputError
from pipeline.contract.messages import StreamCodec
from pipeline.speech.audio.stream_codecs import OPUS_RATE, PCM, samples_in

PIECE_SECONDS = 0.2
"""PCM is cut into pieces of this length, so that no frame is too large for the gateway."""

GAP_SECONDS = 1.0
"""Audio that comes this much later than expected begins after a pause. The gateway uses the same value."""


@dataclass(frozen=True, slots=True)
class SpokenFrame:
    """A frame as the gateway takes it. `first` is the number of its first sample, `start` its time in UTC seconds."""

    data: bytes
    first: int
    samples: int
    start: float
    seconds: float

    @property
    def after(self) -> int:
        """Number of the first sample after this frame."""
        return self.first + self.samples

    @property
    def end(self) -> float:
        """UTC seconds."""
        return self.start + self.seconds


class FrameCutter:
    """Cuts PCM into frames, and gives all frames of one session their sample numbers and times.

    Raises InputError for an unknown codec or number of channels. `clock` returns UTC seconds.
    """

    def __init__(self, codec: StreamCodec, sample_rate: int, channels: int, clock: Callable[[], float]) -> None:
        if codec not in PCM and codec != "opus":
            raise InputError(f"The codec {codec!r} is unknown", f"Use {', '.join(PCM)} or opus.")
        if channels < 1 or sample_rate < 1:
            raise InputError(f"Audio cannot have {channels} channels at {sample_rate} Hz", "Use 1 channel at 16000 Hz.")
        self.rate = OPUS_RATE if codec == "opus" else sample_rate
        self._codec = codec
        self._channels = channels
        self._clock = clock
        self.next = 0
        """Number of the next sample."""
        self._position: float | None = None
        self.skipped = 0
        """Empty frames, and Opus packets that no decoder can decode. The gateway would skip them, too."""

    def cut(self, data: bytes, start: float | None = None) -> Iterator[SpokenFrame]:
        """Yield the frames of some PCM, or of one Opus packet. `start` is the UTC time of its first sample, if known.

        Raises InputError for PCM that ends inside a sample, or a `start` that is not a time.
        """
        if start is not None and not 0 <= start < math.inf:
            raise InputError("The start of a frame is not a time", "Give UTC seconds.")
        if not (samples := self._samples(data)):
            self.skipped += 1
            return
        self._keep_time(samples / self.rate, start)
        if self._codec == "opus":
            yield self._numbered(data, samples)
            return
        # Bytes of one sample of all channels, so no piece ends inside a sample.
        width = len(data) // samples
        size = round(PIECE_SECONDS * self.rate) * width
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            yield self._numbered(piece, len(piece) // width)

    def ahead(self) -> float:
        """Return the seconds by which the end of the audio is ahead of the clock. Negative: behind."""
        return 0.0 if self._position is None else self._position - self._clock()

    def _samples(self, data: bytes) -> int:
        try:
            return samples_in(data, self._codec, self._channels) if data else 0
        except InputError:
            if self._codec == "opus":  # a media server may forward broken packets, and the speaker cannot prevent it
                return 0
            raise

    def _keep_time(self, seconds: float, start: float | None) -> None:
        now, position = self._clock(), self._position
        # Without a `start`, the frame has just ended. A `start` in the future is wrong, unless the audio before it
        # ended there.
        begin = now - seconds if start is None else min(start, max(now, position or 0.0))
        # Smaller steps are jitter, so frames follow each other. Only a stated time can step back: a recording that is
        # sent faster than real time is ahead of the clock.
        if position is None or begin - position > GAP_SECONDS or (start is not None and position - begin > GAP_SECONDS):
            self._position = begin

    def _numbered(self, data: bytes, samples: int) -> SpokenFrame:
        seconds = samples / self.rate
        frame = SpokenFrame(data, self.next, samples, self._position or 0.0, seconds)
        self.next += samples
        self._position = frame.end
        return frame


class FrameQueue:
    """Holds at most `limit` seconds, oldest first. When it is full, it drops the oldest frame and counts it.

    Each connection takes the frames from the oldest on; `rewind` begins a new connection.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._frames: deque[SpokenFrame] = deque()
        self._taken = 0
        """Number of frames at the front that the present connection has taken."""
        self._changed = asyncio.Event()
        self.seconds = 0.0
        """Seconds of audio in the queue."""
        self.dropped = 0.0
        """Seconds of audio that were dropped."""
        self.acknowledged = 0
        """Number of the first sample that is not acknowledged."""

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def oldest(self) -> SpokenFrame:
        return self._frames[0]

    def put(self, frame: SpokenFrame) -> None:
        self._frames.append(frame)
        self.seconds += frame.seconds
        # The newest frame stays, even if it alone is longer than the limit.
        while self.seconds > self._limit and len(self._frames) > 1:
            self.dropped += self._remove().seconds
        self.wake()

    def acknowledge(self, samples: int) -> SpokenFrame | None:
        """Forget the frames before sample number `samples`. Returns the last of them, or None if there is none.

        A number beyond the frames that were taken is a fault of the gateway, and changes nothing.
        """
        frame = None
        if samples <= self._sent_samples():
            # A frame that is acknowledged in part stays: the next connection begins with a whole frame.
            while self._frames and self._frames[0].after <= samples:
                frame = self._remove()
                self.acknowledged = frame.after
        self.wake()
        return frame

    def rewind(self) -> None:
        self._taken = 0

    async def take(self) -> SpokenFrame:
        """Return the next frame for the present connection. It stays in the queue until it is acknowledged."""
        await self.until(lambda: self._taken < len(self._frames))
        self._taken += 1
        return self._frames[self._taken - 1]

    async def settled(self, frame: SpokenFrame) -> None:
        """Wait until every frame before `frame` is acknowledged or dropped."""
        await self.until(lambda: not self._frames or self.oldest.first >= frame.first)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is checked after each change of the queue and each `wake`."""
        while not condition():
            self._changed.clear()  # no await since the check, so no change is missed
            await self._changed.wait()

    def wake(self) -> None:
        self._changed.set()

    def _sent_samples(self) -> int:
        return self._frames[self._taken - 1].after if self._taken else 0

    def _remove(self) -> SpokenFrame:
        frame = self._frames.popleft()
        # Exactly 0 when empty: rounding errors of the sum would grow over hours.
        self.seconds = self.seconds - frame.seconds if self._frames else 0.0
        self._taken = max(0, self._taken - 1)
        return frame
