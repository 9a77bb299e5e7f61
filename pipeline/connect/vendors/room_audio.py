"""Send the audio of many speakers to the gateway, from the threads of a vendor's SDK such as Agora's."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import Any, Self

from pipeline.base.errors import VoxwardenError
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.connect.vendors.vendor_events import RoomEvent

WAITING_SECONDS = 10.0
"""Audio of one speaker that waits for the event loop. More is dropped: the loop stands still, and memory would fill."""
MOST_SPEAKERS = 1_000
"""Speakers at the same time. Each has a connection to the gateway."""
IDLE_SECONDS = 600.0
"""A speaker without audio for this long has left. The gateway closes their connection at the same time."""
SAMPLE_BYTES = 2

log = logging.getLogger(__name__)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PcmFrame:
    """16-bit PCM, interleaved."""

    pcm: bytes
    sample_rate: int
    channels: int

    @property
    def form(self) -> tuple[int, int]:
        return self.sample_rate, self.channels

    @property
    def seconds(self) -> float:
        return len(self.pcm) / (SAMPLE_BYTES * self.channels * self.sample_rate)


@dataclass(slots=True, eq=False)
class RoomSpeaker:
    """A speaker whose audio comes in. `frames` and `seconds` are changed under the lock of RoomAudio."""

    key: Key
    frames: deque[PcmFrame] = field(default_factory=deque)
    seconds: float = 0.0
    over: bool = False
    some: asyncio.Event = field(default_factory=asyncio.Event)


class RoomAudio:
    """The audio of the speakers of many rooms. `async with RoomAudio(...) as audio` connects as audio comes in.

    `url` and `token` are the gateway's. At the end it waits until the gateway has all audio.
    """

    def __init__(self, url: str, token: str, room_type: str | None = None) -> None:
        self._url = url
        self._token = token
        self._room_type = room_type
        self._lock = Lock()
        self._speakers: dict[Key, RoomSpeaker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop
        self._closed = False
        self.dropped_seconds = 0.0
        """Seconds of audio that were dropped: too many waited, or there were too many speakers."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True  # from now on, no thread of the SDK calls the loop
        await asyncio.sleep(0)  # the speakers whose first frame has just come start now
        for speaker in list(self._speakers.values()):
            self._end(speaker)
        while self._tasks:  # a callback that ran late may still add one
            await asyncio.gather(*self._tasks)

    def push(self, room: str, speaker: str, pcm: bytes, sample_rate: int, channels: int = 1) -> None:
        """Take 16-bit PCM and return at once. It never raises, and any thread may call it."""
        frame = PcmFrame(pcm, sample_rate, channels)
        with self._lock:
            found = self._speakers.get((room, speaker))
            is_new = found is None
            if found is None and not self._closed and len(self._speakers) < MOST_SPEAKERS:
                found = self._speakers[room, speaker] = RoomSpeaker((room, speaker))
            if self._closed or found is None or found.seconds + frame.seconds > WAITING_SECONDS:
                self.dropped_seconds += frame.seconds
                return
            found.frames.append(frame)
            found.seconds += frame.seconds
            # asyncio's events are not safe in other threads, so the loop sets them. Under the lock, `_start` comes
            # before `_wake`.
            self._loop.call_soon_threadsafe(self._start if is_new else self._wake, found)

    def follow(self, event: RoomEvent) -> None:
        """End the speech of a speaker who has left, or of all in a room that has closed. Call it in the event loop."""
        for speaker in list(self._speakers.values()):
            if event.is_over and speaker.key[0] == event.room and event.speaker in {None, speaker.key[1]}:
                self._end(speaker)

    def _start(self, speaker: RoomSpeaker) -> None:
        task = asyncio.create_task(self._run(speaker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        speaker.some.set()

    def _wake(self, speaker: RoomSpeaker) -> None:
        speaker.some.set()

    def _end(self, speaker: RoomSpeaker) -> None:
        speaker.over = True
        speaker.some.set()

    async def _run(self, speaker: RoomSpeaker) -> None:
        """Send until the speaker is over. Audio that comes while the last words are sent begins a new stream."""
        try:
            while self._goes_on(speaker):
                await self._stream(speaker, speaker.frames[0])
        except VoxwardenError as error:
            log.warning("a speaker is not heard: %s", error)
            await self._discard(speaker)

    async def _stream(self, speaker: RoomSpeaker, first: PcmFrame) -> None:
        """Send the frames that have the form of the first one."""
        # A connection states one form, so another form needs another stream.
        rate, channels = first.form
        room, name = speaker.key
        async with SpeakerStream(
            self._url, self._token, room, name, sample_rate=rate, channels=channels, room_type=self._room_type
        ) as stream:
            while frames := self._taken(speaker, first.form):
                await stream.send(b"".join(frame.pcm for frame in frames))
                await self._until_some(speaker)
        self.dropped_seconds += stream.dropped_seconds

    async def _until_some(self, speaker: RoomSpeaker) -> None:
        """Wait for frames, or for the end of the speaker."""
        while not speaker.frames and not speaker.over:
            speaker.some.clear()
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await speaker.some.wait()
            except TimeoutError:
                speaker.over = True

    def _taken(self, speaker: RoomSpeaker, form: tuple[int, int]) -> list[PcmFrame]:
        """Take the next frames of this form. Empty if there are none."""
        taken = []
        with self._lock:
            while speaker.frames and speaker.frames[0].form == form:
                taken.append(speaker.frames.popleft())
                speaker.seconds -= taken[-1].seconds
        return taken

    def _goes_on(self, speaker: RoomSpeaker) -> bool:
        """Whether there is audio. If not, forget the speaker. One who has left, and has audio again, is back."""
        with self._lock:
            speaker.over = self._closed
            if not speaker.frames:  # checked under the lock: `push` cannot add a frame to a speaker who is forgotten
                del self._speakers[speaker.key]
            return bool(speaker.frames)

    async def _discard(self, speaker: RoomSpeaker) -> None:
        """Drop the audio of a speaker whom the gateway refuses, until they leave."""
        while not speaker.over:
            with self._lock:
                self.dropped_seconds += speaker.seconds
                speaker.frames.clear()
                speaker.seconds = 0.0
            await self._until_some(speaker)
        with self._lock:
            del self._speakers[speaker.key]


class AgoraAudio:
    """An observer of the audio frames of Agora's Python server SDK.

    Derive your observer from this class and from the SDK's IAudioFrameObserver. It needs no import of the SDK.
    """

    def __init__(self, audio: RoomAudio) -> None:
        self._room_audio = audio

    def on_playback_audio_frame_before_mixing(
        self, local_user: Any, channel: str, uid: str, frame: Any, vad_state: int, vad_bytes: bytearray | None
    ) -> int:
        """Take the frame of one user. `frame` has 16-bit PCM in `buffer`."""
        del local_user, vad_state, vad_bytes
        # The SDK calls this in a thread of its own, and waits for it. So only copy the frame.
        if frame.bytes_per_sample == SAMPLE_BYTES:
            self._room_audio.push(channel, uid, bytes(frame.buffer), frame.samples_per_sec, frame.channels)
        return 1
