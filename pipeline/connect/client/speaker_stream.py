"""Send the audio of one speaker to the gateway. A lost connection is replaced by a new one."""

import asyncio
import contextlib
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from pipeline.base.errors import InputError
from pipeline.base.json_reading import read_json
from pipeline.connect.client.frame_queue import GAP_SECONDS, FrameCutter, FrameQueue, SpokenFrame
from pipeline.connect.client.reconnecting import Reconnecting
from pipeline.contract.messages import SAMPLE_RATE, Seconds, StreamCodec

QUEUE_SECONDS = 60.0
"""Seconds of unacknowledged audio that a stream keeps."""

CLOSE_SECONDS = 10.0
"""How long a stream waits for the last acknowledgement when it closes."""

AHEAD_SECONDS = 5.0
"""Audio may run ahead of the clock by this much. The gateway allows `gateway.burst_seconds`, which is 10 s."""

SPEED = 2.0
"""Late audio is sent at this speed at most. The gateway closes a faster connection (`gateway.max_speed`)."""

SLACK_SECONDS = 0.5
"""Audio that is sent no later than this after its end is in time. The rest of GAP_SECONDS is for the network."""

LISTENERS_SECONDS = 1.0
"""Shortest time between two messages with the number of listeners. The gateway asks for at most one a second."""

MAX_NOTE_BYTES = 4_096
"""Limit for a message of the gateway. An acknowledgement has less than 100 bytes."""

# No user, query or fragment: logs contain addresses, so a token must not be in one.
ADDRESS = re.compile(r"wss?://(?:[^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?")

_library = logging.getLogger(__name__).getChild("websockets")
_library.setLevel(logging.WARNING)  # its debug messages hold tokens and audio


class Acknowledgement(msgspec.Struct):
    """A message of the gateway."""

    received_samples: int
    start: Seconds


class SpeakerStream:
    """The audio of one speaker in one room. After a lost connection, it sends unacknowledged audio again.

    `async with SpeakerStream(...) as stream` begins a session. It connects when there is audio, and again as often as
    needed. At the end it waits up to `close_seconds` for the last acknowledgement. The end of the block, too, raises
    StreamError. `url` is the gateway's address, e.g.
    ws://127.0.0.1:8765. Opus always has a `sample_rate` of 48,000. `clock` returns UTC seconds. Raises InputError for a
    wrong argument.
    """

    def __init__(
        self,
        url: str,
        token: str,
        room: str,
        speaker: str,
        *,
        sample_rate: int = SAMPLE_RATE,
        codec: StreamCodec = "pcm_s16le",
        channels: int = 1,
        room_type: str | None = None,
        listeners: int | None = None,
        identity_verified: bool | None = None,
        drill: str | None = None,
        close_seconds: float = CLOSE_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cutter = FrameCutter(codec, sample_rate, channels, clock)
        self._address = speaker_address(url, room, speaker)
        self._query = {
            "codec": codec,
            "sample_rate": self._cutter.rate,
            "channels": channels,
            "room_type": room_type,
            "identity_verified": None if identity_verified is None else json.dumps(identity_verified),
            "drill": drill,
            "session": uuid.uuid4().hex,
        }
        self._token = _checked(token)
        self._listeners = self._told = listeners
        self._close_seconds = close_seconds
        self._clock = clock
        self._queue = FrameQueue(QUEUE_SECONDS)
        self._reconnecting = Reconnecting(f"The gateway at {url}", QUEUE_SECONDS)
        self._attempts = 0
        self._offset = 0.0
        """Seconds by which the gateway's time of our audio is ahead of ours: the clocks may differ."""
        self._sent = 0
        """Number of the first sample that the present connection has not sent."""
        self._end = self._told_end = 0
        """Number of the sample before which the speech ended last, and of which the gateway was told."""
        self._task: asyncio.Task[None]

    @property
    def received_samples(self) -> int:
        """The number of samples of one channel that the gateway has acknowledged."""
        return self._queue.acknowledged

    @property
    def dropped_seconds(self) -> float:
        """Seconds of audio that were dropped, because 60 s waited for an acknowledgement. Some may have arrived."""
        return self._queue.dropped

    @property
    def unacknowledged_seconds(self) -> float:
        """Seconds of audio that wait for an acknowledgement. After the end of the stream, they may be lost."""
        return self._queue.seconds

    @property
    def skipped_frames(self) -> int:
        """Empty frames, and Opus packets that no decoder can decode. They were not sent, and have no numbers."""
        return self._cutter.skipped

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        # Only `_drained` waits for this: after a refusal nobody acknowledges the rest.
        self._task.add_done_callback(lambda _: self._queue.wake())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self._drained()
        finally:
            self._task.cancel()
            await asyncio.wait({self._task})
        # A refusal that no `send` has raised must not get lost. An error of the block itself comes first.
        if kind is None and not self._task.cancelled():
            self._task.result()
        if kind is None and self._queue:
            self._reconnecting.check_answered()

    async def send(self, frame: bytes, start: float | None = None) -> None:
        """Queue some PCM of any length, or one Opus packet, and return.

        Live audio never waits. A recording waits while it is more than 5 s ahead of the clock, so it goes out in real
        time. `start` is when the first sample was spoken, in UTC seconds; without it, the frame has just ended, or
        continues the one before. Raises StreamError if the gateway refuses the stream for good, or if nobody has ever
        answered at its address and audio would be dropped. Raises InputError for PCM that ends inside a sample.
        """
        for piece in self._cutter.cut(frame, start):
            if self._task.done():
                self._task.result()
            self._queue.put(piece)
            # A sleep of 0, too: a caller that sends in a tight loop would otherwise never let the connection work.
            await asyncio.sleep(max(0.0, self._cutter.ahead() - AHEAD_SECONDS))

    async def end_speech(self) -> None:
        """State that the speech ends here, for example when a push-to-talk key is released. More audio may follow.

        The words are then judged at once, and not after 3 s without audio (`audio.idle_seconds`).
        """
        self._end = self._cutter.next
        self._queue.wake()

    async def listeners(self, number: int) -> None:
        """State how many people can hear the room from now on. Only the newest number of a second is sent."""
        self._listeners = number
        self._queue.wake()

    async def _drained(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._close_seconds):
                await self._queue.until(lambda: not self._queue or self._task.done())

    async def _run(self) -> None:
        while True:
            await self._queue.until(lambda: bool(self._queue))
            try:
                await self._connection()
            except (OSError, WebSocketException) as error:
                await asyncio.sleep(self._reconnecting.pause_after(error))

    async def _connection(self) -> None:
        """Send frames from the oldest one on, until the connection fails or the next frame needs a new one."""
        # Nobody knows what the last connection still delivered, so begin with the oldest unacknowledged frame.
        self._queue.rewind()
        # The address states the listeners, so the first message is only for a change after that.
        self._told, oldest = self._listeners, self._queue.oldest
        self._sent = oldest.first
        self._attempts += 1
        gateway = await connect(
            self._url(oldest),
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,  # audio hardly gets smaller, and it costs CPU for each speaker
            close_timeout=self._close_seconds,
            max_size=MAX_NOTE_BYTES,
            logger=_library,
        )
        self._reconnecting.connected()
        try:
            await first_of(
                self._speak(gateway, oldest), self._hear(gateway), self._tell(gateway), self._tell_end(gateway)
            )
        finally:
            await gateway.close()  # with code 1000, which ends the speech

    def _url(self, oldest: SpokenFrame) -> str:
        # The clock of the gateway may state any time, so the sum may be negative. The gateway would refuse that.
        begin = {
            "first_sample": oldest.first,
            "start": max(0.0, oldest.start + self._offset),
            "attempt": self._attempts,
            "listeners": self._told,
        }
        query = {key: value for key, value in (self._query | begin).items() if value is not None}
        return f"{self._address}?{urlencode(query)}"

    async def _speak(self, gateway: ClientConnection, oldest: SpokenFrame) -> None:
        number, before = oldest.first, oldest
        due, in_time = time.monotonic(), True
        while True:
            frame = await self._queue.take()
            # Frames were dropped, or the time jumps. Only a new connection can state another sample number or start.
            # First wait for the acknowledgements of this one.
            if frame.first != number or _pause_is_hidden(before, frame, in_time):
                await self._queue.settled(frame)
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await gateway.send(frame.data)
            self._sent = frame.after
            self._queue.wake()
            # Pacing: `due` falls back by at most SLACK_SECONDS. So late audio cannot save up time for a burst.
            due = max(due, time.monotonic() - SLACK_SECONDS) + frame.seconds / SPEED
            number, before, in_time = frame.after, frame, self._clock() - frame.end <= SLACK_SECONDS

    async def _hear(self, gateway: ClientConnection) -> None:
        while True:
            message = await gateway.recv()
            try:
                note = read_json(message, Acknowledgement)
            except msgspec.DecodeError:
                continue  # not an acknowledgement, so nothing is acknowledged
            self._acknowledge(note)

    def _acknowledge(self, note: Acknowledgement) -> None:
        if frame := self._queue.acknowledge(note.received_samples):
            self._reconnecting.progressed()
            # The note may end inside the next frame. Its time minus these samples is the gateway's time of `frame.end`.
            self._offset = note.start - frame.end - (note.received_samples - frame.after) / self._cutter.rate

    async def _tell(self, gateway: ClientConnection) -> None:
        while True:
            await self._queue.until(lambda: self._listeners != self._told)
            self._told = self._listeners
            await gateway.send(json.dumps({"listeners": self._told}))
            await asyncio.sleep(LISTENERS_SECONDS)

    async def _tell_end(self, gateway: ClientConnection) -> None:
        while True:
            await self._queue.until(lambda: self._told_end < self._end <= self._sent)
            self._told_end = self._end
            await gateway.send('{"end": true}')


def _pause_is_hidden(before: SpokenFrame, frame: SpokenFrame, in_time: bool) -> bool:
    """Whether the gateway cannot see the jump in time between two frames.

    It sees a pause if the audio before it was sent in time. It never sees a step back.
    """
    jump = frame.start - before.end
    # The cutter lets a frame continue exactly, or jump by more than the gap. Half of it tells them apart.
    return jump < -GAP_SECONDS / 2 or (jump > GAP_SECONDS / 2 and not in_time)


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run coroutines together until one ends. Cancel the others, and raise its error if it has one."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # retrieves all errors, so asyncio logs none
    for task in done:
        task.result()


def speaker_address(url: str, room: str, speaker: str) -> str:
    """Return the address of a speaker's audio without its query. Raises InputError for a `url` of another kind."""
    if not ADDRESS.fullmatch(url):
        raise InputError(f"{url!r} is not the address of a gateway", "It is like ws://127.0.0.1:8765.")
    return f"{url.rstrip('/')}/v1/rooms/{quote(room, safe='')}/speakers/{quote(speaker, safe='')}/audio"


def _checked(token: str) -> str:
    # A line break would begin another header.
    if not token or not token.isprintable():
        raise InputError("The token of the gateway is empty, or not one line of text", "Use a token of gateway.tokens.")
    return token
