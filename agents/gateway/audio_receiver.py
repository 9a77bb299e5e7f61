"""Handle one accepted connection: check its frames, make chunks of them, and pass the chunks on."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Literal

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from agents.gateway.audio_session import END, Arrival, AudioSession, Frame
from agents.gateway.connection_request import Voice
from agents.gateway.stalls import STALL_SECONDS, Stalls
from agents.gateway.unconfirmed_chunks import Sink, UnconfirmedChunks
from agents.gateway.wire import Close, Connection, Message, RefusalError
from pipeline.base.errors import InputError
from pipeline.base.metrics import Metrics
from pipeline.base.rate_limits import TokenBucket
from pipeline.contract.messages import Listeners
from pipeline.settings import GatewaySettings
from pipeline.speech.audio.stream_codecs import samples_in

MAX_FRAME_BYTES = 262_144  # largest frame: 1.3 s of PCM at 48 kHz stereo, far more than any client sends at once
BYTES_PER_SECOND = 400_000  # bytes of one connection, on average: twice the rate of PCM at 48 kHz stereo
# Frames of one connection, on average. Opus has at most 400 packets a second.
FRAMES_PER_SECOND = 500
# Broken frames of one connection, on average. A client that sends more will not send speech.
BROKEN_PER_SECOND = 5.0
# Frames of this time become one record, so that Kafka has five records a second and speaker, not fifty.
GATHER_SECONDS = 0.2
# Audio of a connection that waits for the sink. Then the client is not read, and keeps its audio itself.
BUFFER_SECONDS = 5.0
# Seconds that a stream may be behind the clock. Then it jumps to the present time: the client was silent.
LARGEST_GAP = 1.0
# Silence after which a client is pinged, and its time to answer. Proxies close what is silent for a minute.
PING_SECONDS = 20.0
# Silence of a client that answers pings after which the connection closes. A muted client may stay.
IDLE_SECONDS = 600.0
# Silence after which the speech of a muted client ends. An egress is muted seconds before its audio stops.
MUTED_SECONDS = 0.3
ACKNOWLEDGE_SECONDS = 0.25  # confirmations within this time go to the client in one frame
# Close codes of a client that has nothing more to send.
LEFT = {CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD}


class Limits:
    """The limits of one connection. Each method raises RefusalError when its limit is exceeded."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float]) -> None:
        def bucket(rate: float) -> TokenBucket:
            return TokenBucket(rate, rate * settings.burst_seconds, clock)

        self._bytes = bucket(BYTES_PER_SECOND)
        self._frames = bucket(FRAMES_PER_SECOND)
        self._audio = TokenBucket(settings.max_speed, settings.burst_seconds, clock)
        self._invalid = bucket(BROKEN_PER_SECOND)

    def excuse(self, seconds: float) -> None:
        """Allow what arrived in `seconds` in which the gateway did not read."""
        for bucket in (self._bytes, self._frames, self._audio, self._invalid):
            bucket.excuse(seconds)

    def count_frames(self, frames: int, size: int) -> None:
        """Count frames of any kind, and their bytes: audio, text, pings and pongs, parts of messages."""
        if not self._bytes.take(size):
            raise RefusalError(Close.TOO_FAST, "Too many bytes a second", "Send audio as it is spoken.")
        if not self._frames.take(frames):
            raise RefusalError(Close.TOO_FAST, "Too many frames a second", "Send audio as it is spoken.")

    def count_audio(self, seconds: float) -> None:
        """Count `seconds` of audio."""
        if not self._audio.take(seconds):
            raise RefusalError(Close.TOO_FAST, "Too much audio a second", "Send audio as it is spoken.")

    def count_broken(self, frames: int, why: str) -> None:
        """Count `frames` broken frames. `why` is the fault of the last one."""
        if not self._invalid.take(frames):
            raise RefusalError(Close.BAD_AUDIO, f"Too many broken frames. {why}")


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """A text frame of the app or of LiveKit's track egress."""

    muted: bool | None = None
    """Of the egress. It comes seconds before the audio of its moment. Muted audio is digital silence, or stops."""
    end: Literal[True] | None = None
    """The speech ends here, for example because a push-to-talk key was released."""
    listeners: Listeners | None = None
    """The number of people who can hear the room from now on."""


END_NOTE = '{"end": true}'


class Safe(msgspec.Struct):
    """The text frame that acknowledges audio.

    A client that reconnects sends both values back, as `first_sample` and `start`.
    """

    received_samples: int
    """Number of the first sample that is not confirmed."""
    start: float
    """When that sample was spoken, in UTC seconds."""


class AudioReceiver:
    """Reads the frames that have arrived, passes them on as one chunk, pauses for GATHER_SECONDS, and repeats.

    So the first frame after silence does not wait, and the last frame before it does not wait either. `clock` returns
    UTC seconds, `ticks` monotonic seconds.
    """

    def __init__(
        self,
        connection: Connection,
        voice: Voice,
        settings: GatewaySettings,
        metrics: Metrics,
        sink: Sink,
        stalls: Stalls,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._voice = voice
        self._settings = settings
        self._metrics = metrics
        self._stalls = stalls
        self._clock = clock
        self._ticks = ticks
        self._session = AudioSession(voice, LARGEST_GAP, settings.burst_seconds, MAX_FRAME_BYTES)
        self._limits = Limits(settings, ticks)
        connection.meter = self._limits.count_frames
        self._unconfirmed = UnconfirmedChunks(
            sink, BUFFER_SECONDS, voice.first_sample, self._confirmed, connection.interrupt
        )
        self._acknowledging: asyncio.Task[None] | None = None
        self._muted = False
        self._left = False  # whether the client has closed the connection
        self._read_at = ticks()
        self._unsent_seconds = 0.0  # seconds of audio that were read and are not passed on yet

    async def run(self) -> None:
        """Listen until the connection ends. Raises ConnectionClosed, or the error that must end the connection."""
        try:
            while True:
                await self._take(*await self._receive())
                await asyncio.sleep(GATHER_SECONDS)
        except ConnectionClosed as closed:
            self._left = closed.rcvd is not None and closed.rcvd.code in LEFT
            raise
        finally:
            try:
                await self._end()
            finally:  # also if the sink fails, because it counts the lost audio
                self._give_up()

    async def _receive(self) -> tuple[Sequence[Message], Arrival]:
        paused = self._ticks() - self._read_at
        stalled, before = (paused if paused > GATHER_SECONDS + STALL_SECONDS else 0.0), self._stalls.seconds
        self._limits.excuse(stalled)  # a client that speaks in real time is not too fast because we were too slow
        messages = await self._messages()
        self._read_at = self._ticks()
        self._limits.excuse(waited := self._stalls.seconds - before)
        return messages, Arrival(self._clock(), stalled + waited)

    async def _messages(self) -> Sequence[Message]:
        """Return the messages that have arrived. Pings the client only while it waits for them.

        The silence of a muted client ends its speech, as if it had said so.
        """
        if self._muted and self._session.is_open:
            with suppress(TimeoutError):
                async with asyncio.timeout(MUTED_SECONDS):
                    return await self._connection.receive()
            return [END_NOTE]
        signs = None  # no ping before the wait: its answer would stand behind unread audio
        for waited in count(1):
            try:
                async with asyncio.timeout(PING_SECONDS):
                    return await self._connection.receive()
            except TimeoutError:
                idle = not self._muted and waited * PING_SECONDS >= IDLE_SECONDS
                if idle or signs == self._connection.signs_of_life:
                    break
                signs = self._connection.signs_of_life
                await self._connection.probe()
        raise RefusalError(
            Close.IDLE, "No audio, or no answer to a ping, for too long", "Connect when there is speech."
        )

    async def _take(self, messages: Sequence[Message], arrival: Arrival) -> None:
        self._metrics.received_bytes.inc(sum(len(message) for message in messages if isinstance(message, bytes)))
        frames, problem = self._frames(messages)
        await self._forward(frames, arrival)  # the frames before the fault are speech that must be moderated
        if problem:
            raise problem

    async def _forward(self, frames: Sequence[Frame], arrival: Arrival) -> None:
        seconds = sum(frame.samples for frame in frames) / self._voice.sample_rate
        self._unsent_seconds += seconds
        self._limits.count_audio(seconds)
        for chunk, samples in self._session.chunks(frames, arrival) if frames else ():
            self._unsent_seconds -= samples / self._voice.sample_rate
            await self._unconfirmed.put(chunk, samples)

    def _frames(self, messages: Sequence[Message]) -> tuple[list[Frame], InputError | None]:
        """Return the frames with audio, and the first error that must end the connection, if there is one."""
        frames: list[Frame] = []
        try:
            for message in messages:
                if isinstance(message, str):
                    if self._ends(message) and (frames or self._session.is_open):
                        frames.append(END)
                elif frame := self._frame(message):
                    frames.append(frame)
        except InputError as error:
            return frames, error
        return frames, None

    def _ends(self, text: str) -> bool:
        """Take a text frame. Returns whether it ends the speech. Raises InputError for an unknown one."""
        try:
            note = msgspec.json.decode(text, type=Note)
        except msgspec.DecodeError as error:
            known = """Text is {"end": true} or {"listeners": 12}."""
            raise InputError("A text frame", f"Send audio in binary frames. {known}") from error
        if note.muted is not None:
            self._muted = note.muted
        if note.listeners is not None:
            self._session.listeners = note.listeners
        return bool(note.end)

    def _frame(self, message: bytes) -> Frame | None:
        """Return a frame with audio, or None for an empty or broken frame.

        An SFU may forward empty or broken frames, and their speaker cannot fix them.
        """
        if not message:
            self._metrics.skipped_frames.labels("empty").inc()
            return None
        try:
            return Frame(message, self._samples_in(message))
        except InputError as error:
            self._metrics.skipped_frames.labels("invalid").inc()
            self._limits.count_broken(1, str(error))
            return None

    async def _end(self) -> None:
        """End the speech. If the client named a session and may reconnect, the speech goes on instead."""
        final = self._session.final()
        if final and (self._left or not self._voice.session):
            await self._unconfirmed.put(final, 0)
        await self._unconfirmed.drained()

    def _give_up(self) -> None:
        """Stop passing audio on. Audio that is not confirmed, or arrives later, counts as lost."""
        self._unconfirmed.abandon()
        if self._acknowledging:
            self._acknowledging.cancel()
        self._metrics.lost_seconds.inc(max(0.0, self._unconfirmed.unconfirmed + self._unsent_seconds))
        self._connection.dismiss(lambda message: self._metrics.lost_seconds.inc(self._seconds_in(message)))

    def _seconds_in(self, message: Message) -> float:
        if isinstance(message, str):
            return 0.0
        try:
            return self._samples_in(message) / self._voice.sample_rate
        except InputError:
            return 0.0

    def _samples_in(self, message: bytes) -> int:
        return samples_in(message, self._voice.codec, self._voice.channels)

    def _confirmed(self) -> None:
        if self._voice.session and self._acknowledging is None:
            self._acknowledging = asyncio.ensure_future(self._acknowledge())

    async def _acknowledge(self) -> None:
        await asyncio.sleep(ACKNOWLEDGE_SECONDS)
        self._acknowledging = None  # before the send: a confirmation that comes during it needs one more frame
        try:
            await self._connection.send(
                msgspec.json.encode(Safe(self._unconfirmed.samples, self._unconfirmed.start)).decode()
            )
        except ConnectionClosed:
            return
