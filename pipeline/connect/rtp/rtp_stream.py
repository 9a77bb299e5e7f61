"""One speaker's RTP stream: how the app describes it, and the way of its packets to the gateway."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress

from pipeline.base.errors import VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.base.rate_limits import TokenBucket
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.connect.rtp.jitter_buffer import ArrivedPacket, InTurn, JitterBuffer, RtpPacket
from pipeline.connect.rtp.rtp_timeline import TYPES, Placed, RtpCodec, Timeline, join_placed
from pipeline.settings import RtpSettings

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""The packets of this time are decoded and sent together: less work for each, and a delay that nobody hears."""
PACKETS_PER_SECOND = 200
"""Most packets of a stream, on average. At the usual 20 ms, a stream has 50."""

BURST_SECONDS = 2.0
"""After a stall of the network, the packets of this time may come at once."""
MOST_PACKETS = 512
"""Packets that wait to be decoded: 10 s at 20 ms."""

Address = tuple[str, int]
State = Literal["waiting", "live", "refused"]

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
SpokenName = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL)]


class RtpMapping(BaseModel):
    """The app's description of a stream, the body of a PUT: its speaker, and the packets that belong to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: SpokenName = Field(description="the app's name of the room")
    speaker: SpokenName = Field(description="the app's name of the speaker")
    codec: RtpCodec = Field("opus", description="opus, pcma or pcmu")
    payload_type: int | None = Field(
        None, ge=0, le=127, description="packets of other types are dropped; unset: 8 for pcma, 0 for pcmu, from 96 on"
    )
    port: int | None = Field(None, ge=1, le=65_535, description="UDP port from rtp.first_port on; unset: a free one")
    ssrc: int | None = Field(None, ge=0, le=2**32 - 1, description="needed if several streams share the port")
    source: IPvAnyAddress | None = Field(
        None, description="IP address of the sender; unset: the sender of the first packet"
    )
    room_type: SpokenName = Field("default", description="type of the room, for the policy")
    identity_verified: bool | None = Field(None, description="whether the app has verified the speaker's identity")

    def accepts(self, payload_type: int) -> bool:
        """Whether packets of this type are speech in the codec."""
        if self.payload_type is not None:
            return payload_type == self.payload_type
        return payload_type in TYPES[self.codec]


OpenSpeaker = Callable[[RtpMapping], SpeakerStream]


class RtpStream:
    """The stream of one speaker. `ticks` returns monotonic seconds, `clock` UTC seconds."""

    def __init__(
        self,
        mapping: RtpMapping,
        port: int,
        open_speaker: OpenSpeaker,
        settings: RtpSettings,
        metrics: Metrics,
        ticks: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.mapping = mapping
        self.port = port
        self.packets = 0
        """How many were taken."""
        self.unheard_seconds = 0.0
        self.refusal = ""
        """Why the gateway refuses the stream."""
        self._open_speaker = open_speaker
        self._metrics = metrics
        self._ticks = ticks
        self._pinned: Address | None = None
        self._bucket = TokenBucket(PACKETS_PER_SECOND, PACKETS_PER_SECOND * BURST_SECONDS, ticks)
        self._arrived: deque[ArrivedPacket] = deque()
        self._some = asyncio.Event()
        self._buffer = JitterBuffer(settings.jitter_seconds, lambda why: metrics.rtp_dropped.labels(why).inc())
        # Both clocks are read at each packet: the UTC clock may be set while the stream runs.
        self._timeline = Timeline(mapping.codec, lambda at: clock() - ticks() + at, self._count)
        self._over = False

    @property
    def state(self) -> State:
        return "refused" if self.refusal else "live" if self.packets else "waiting"

    def forget_source(self) -> None:
        """Take the packets of another sender from now on, if the app has not named one."""
        self._pinned = None

    def take(self, packet: RtpPacket, address: Address) -> str:
        """Take a packet. Return why it is dropped; empty if it is not."""
        if reason := self._reason(packet, address):
            return reason
        # The first packet's sender keeps the stream, so that nobody else who reaches the port can speak in it.
        self._pinned = address
        self.packets += 1
        self._arrived.append(ArrivedPacket(packet, self._ticks()))
        self._some.set()
        return ""

    async def run(self, before: asyncio.Task[None] | None) -> None:
        """Send the speech until `stop`, or until the gateway refuses it.

        The gateway takes one connection of a speaker. So this waits until the stream `before` has handed over all.
        """
        if before:
            await asyncio.wait({before})
        try:
            async with self._open_speaker(self.mapping) as speaker:
                while not self._over:
                    await self._until_work()
                    await _send(speaker, self._work())
                await _send(speaker, self._rest())
            self._count("gateway", speaker.dropped_seconds)
        except VoxwardenError as error:
            log.warning("an RTP stream is not heard: %s", error)
            self.refusal = str(error)  # `take` refuses packets from now on; a PUT of the stream begins anew
            self._arrived.clear()

    def stop(self) -> None:
        """Send the audio that has arrived, and end."""
        self._over = True
        self._some.set()

    def _reason(self, packet: RtpPacket, address: Address) -> str:
        """Return why a packet is dropped; empty if it is not."""
        if self._over or self.refusal:
            return "refused"
        if not self._is_from_sender(address):
            return "source"
        if not self.mapping.accepts(packet.payload_type):
            return "payload_type"
        # After the checks of the sender: packets of others must not use up its rate.
        if not self._bucket.take(1):
            return "flood"
        return "overflow" if len(self._arrived) >= MOST_PACKETS else ""

    def _is_from_sender(self, address: Address) -> bool:
        if self._pinned:
            return address == self._pinned
        return self.mapping.source is None or address[0] == str(self.mapping.source)

    async def _until_work(self) -> None:
        """Wait for packets, or until those that wait for a missing one have waited long enough."""
        due = self._buffer.due()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._ticks())):
                await self._some.wait()
        except TimeoutError:
            return
        if not self._over:
            await asyncio.sleep(GATHER_SECONDS)
        self._some.clear()  # no await until `_work` takes what has arrived, so no packet is missed

    def _work(self) -> Iterator[Placed]:
        for turn in self._turns():
            yield from self._timeline.put(turn)

    def _turns(self) -> Iterator[InTurn]:
        while self._arrived:
            yield from self._buffer.push(self._arrived.popleft())
        yield from self._buffer.release(self._ticks())

    def _rest(self) -> Iterator[Placed]:
        """The audio that is left at the end: waiting packets, and what the resampling filter holds."""
        yield from self._work()
        for turn in self._buffer.flush():
            yield from self._timeline.put(turn)
        yield from self._timeline.flush()

    def _count(self, reason: str, seconds: float) -> None:
        self.unheard_seconds += seconds
        self._metrics.rtp_unheard_seconds.labels(reason).inc(seconds)


async def _send(speaker: SpeakerStream, pieces: Iterable[Placed]) -> None:
    for piece in join_placed(pieces):
        await speaker.send(piece.pcm, piece.start)
