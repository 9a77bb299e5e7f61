"""Reads the microphones of one speaker and sends them to the gateway."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

import numpy as np
from livekit import rtc

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE

FRAME_MS = 100
"""Milliseconds of a frame. Shorter frames cost more CPU: about half as much again at 20 ms."""
QUEUE_FRAMES = 100
"""Frames that wait inside this process, 10 s. If it stands still for longer, LiveKit drops the oldest ones."""
BESIDE_FRAMES = 3
"""Frames of another microphone that wait for one of the first: two clocks differ a little."""
SILENT_FRAMES = 20
"""After 2 s of digital silence nothing is sent: a muted track gives zeros for as long as it lasts."""
CLOSE_SECONDS = 2.0
"""Longest wait for LiveKit to release a track. A reader of the same speaker may wait behind it."""
STATS_RATE = 48_000
"""Samples a second in LiveKit's statistics."""
PATIENCE_SECONDS = 5.0
"""Seconds in which late audio must catch up."""
SMALLEST_GAP = 0.2
"""Seconds. Less than this is jitter, or two clocks that differ."""


class Speech(Protocol):
    """The way to the gateway for the audio of one speaker."""

    @property
    def dropped_seconds(self) -> float:
        """Seconds of audio that its full queue has dropped."""

    async def send(self, frame: bytes) -> None:
        """Send 16-bit PCM, 16 kHz mono."""

    async def end_speech(self) -> None:
        """State that the speech ends here. More may follow."""

    async def listeners(self, number: int) -> None:
        """State how many people can hear the speaker from now on."""


OpenSpeech = Callable[[], AbstractAsyncContextManager[Speech]]
"""Opens the way to the gateway. The end of the context tells it that the speaker has left."""


class TrackReader:
    """Reads the frames of `track` from when it is made. `published` is when it was published, by `clock` (seconds).

    A speaker may have other microphones `beside` it. They are added to it, so that they hide no speech.
    """

    def __init__(
        self,
        track: rtc.RemoteTrack,
        speech: OpenSpeech,
        metrics: Metrics,
        published: float,
        clock: Callable[[], float] = time.monotonic,
        beside: Sequence[rtc.RemoteTrack] = (),
    ) -> None:
        self._track = track
        self._speech = speech
        self._unheard = metrics.livekit_unheard_seconds
        self._published = published
        self._clock = clock
        self._concealed = 0
        self._over = False
        self._sent: Speech | None = None
        self._sending: asyncio.Future[None] | None = None
        self._stream = _frames_of(track, QUEUE_FRAMES)
        self._beside = [BesideReader(each) for each in beside]

    @property
    def has_beside(self) -> bool:
        return bool(self._beside)

    async def run(self) -> None:
        """Send audio until `stop`, or until the gateway refuses it. Then raises the gateway's error.

        After `stop`, it waits until the gateway has the last words.
        """
        async with self._speech() as speech:
            self._sent = speech
            self._sending = asyncio.ensure_future(self._send(speech))
            if self._over:  # `stop` came while the way to the gateway opened
                self._sending.cancel()
            try:
                await asyncio.wait({self._sending})  # unlike `await`, it does not raise if `stop` cancels the task
            finally:
                self._sending.cancel()
        self._unheard.labels("gateway").inc(speech.dropped_seconds)
        if not self._sending.cancelled():
            self._sending.result()

    def stop(self) -> None:
        """Read no more frames."""
        self._over = True
        if self._sending:
            self._sending.cancel()

    async def tell(self, listeners: int) -> None:
        """Tell the gateway how many people hear the speaker."""
        if self._sent:
            await self._sent.listeners(listeners)

    async def close(self) -> None:
        """Release the tracks. LiveKit may take some seconds for it."""
        # LiveKit does not end the stream of a track that is unpublished, or whose participant leaves.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(self._stream.aclose(), *(each.close() for each in self._beside))

    async def count_loss(self) -> None:
        """Count the audio that the decoder concealed since the last call, because packets were lost."""
        for stats in await self._track.get_stats():
            if stats.HasField("inbound_rtp"):
                inbound = stats.inbound_rtp.inbound
                # Silence is concealed in pauses, too (DTX), so it is no sign of loss.
                concealed = inbound.concealed_samples - inbound.silent_concealed_samples
                # The numbers are totals, and two snapshots can disagree: a metric must never fall.
                self._unheard.labels("loss").inc(max(0, concealed - self._concealed) / STATS_RATE)
                self._concealed = max(concealed, self._concealed)

    async def _send(self, speech: Speech) -> None:
        async for pcm in self._audible():
            if self._track.muted and not any(pcm):  # a muted track gives zeros
                await speech.end_speech()
            else:
                await speech.send(pcm)

    async def _audible(self) -> AsyncIterator[bytes]:
        """The frames as PCM, without long digital silence. Count what is missing before and between them."""
        meter, silent, first = GapMeter(), 0, True
        async for event in self._stream:
            now, seconds = self._clock(), event.frame.samples_per_channel / SAMPLE_RATE
            if first:
                self._unheard.labels("start").inc(max(0.0, now - self._published - seconds))
                first = False
            self._unheard.labels("gap").inc(meter.frame(now, seconds))
            pcm = added([bytes(event.frame.data), *(each.next() for each in self._beside)])
            silent = 0 if any(pcm) else silent + 1
            if silent <= SILENT_FRAMES:
                yield pcm


class BesideReader:
    """Keeps the newest frames of a track until they are added to those of another."""

    def __init__(self, track: rtc.RemoteTrack) -> None:
        self._stream = _frames_of(track, BESIDE_FRAMES)
        self._frames: deque[bytes] = deque(maxlen=BESIDE_FRAMES)
        self._reading = asyncio.create_task(self._read())

    def next(self) -> bytes:
        """The oldest frame as PCM. Empty: none has come."""
        return self._frames.popleft() if self._frames else b""

    async def close(self) -> None:
        self._reading.cancel()
        await self._stream.aclose()

    async def _read(self) -> None:
        async for event in self._stream:
            self._frames.append(bytes(event.frame.data))


def _frames_of(track: rtc.RemoteTrack, capacity: int) -> rtc.AudioStream:
    return rtc.AudioStream.from_track(
        track=track, sample_rate=SAMPLE_RATE, num_channels=1, frame_size_ms=FRAME_MS, capacity=capacity
    )


def added(frames: Sequence[bytes]) -> bytes:
    """Add frames of 16-bit PCM to the first one, and keep its length."""
    first, *rest = frames
    if not any(rest):
        return first
    total = np.frombuffer(first, "<i2").astype(np.int32)
    for each in rest:
        other = np.frombuffer(each, "<i2")[: total.size]
        total[: other.size] += other
    return total.clip(-32_768, 32_767).astype("<i2").tobytes()


class GapMeter:
    """Finds missing audio in one track, whose frames carry no time and no number. Times are monotonic seconds.

    LiveKit gives frames in real time as long as a track lasts, also while it is muted. The audio falls behind the clock
    for ever only if frames were dropped. Frames that are only late catch up again.
    """

    def __init__(self) -> None:
        self._began: float | None = None
        self._heard = 0.0
        self._known = 0.0
        """The lag that has an explanation: the first frame's delay, and the gaps that were reported."""
        self._since: float | None = None
        """From when on the audio has been further behind than that."""
        self._least = 0.0
        """The smallest lag from then on."""

    def frame(self, at: float, seconds: float) -> float:
        """Note a frame that arrived at `at`. Return the seconds that are now known to be missing, mostly 0."""
        if self._began is None:
            self._began = at - seconds
        self._heard += seconds
        lag = at - self._began - self._heard
        if lag < self._known + SMALLEST_GAP:
            # A smaller lag is the better estimate: the frames before it were only late.
            self._since, self._known = None, min(self._known, lag)
            return 0.0
        if self._since is None:
            self._since, self._least = at, lag
        # The smallest lag of the wait has the least jitter, so it counts as the gap.
        self._least = min(self._least, lag)
        if at - self._since < PATIENCE_SECONDS:
            return 0.0
        missing, self._since, self._known = self._least - self._known, None, self._least
        return missing
