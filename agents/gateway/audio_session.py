"""Turn one connection's frames into chunks, numbered from 0. Their times follow the samples, not the network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agents.gateway.connection_request import Voice
from pipeline.contract.messages import AudioChunk
from pipeline.speech.audio.stream_codecs import LENGTH_BYTES, MAX_PACKETS, join_packets

CATCH_UP = 2.0  # audio that a stall of the gateway delayed has arrived after this many times the length of the stall


@dataclass(frozen=True, slots=True)
class Frame:
    """A binary frame, and the samples of one channel that it holds."""

    data: bytes
    samples: int


END = Frame(b"", 0)
"""Stands where the client said that the speech ends."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the frames of one read arrived."""

    now: float
    """UTC seconds."""
    stalled: float = 0.0
    """Seconds for which the gateway has not read. So audio may be unread, and it is late, not new."""


OLDEST_SECONDS = 600.0  # if a client dates its audio further back than this, its clock is wrong


class AudioSession:
    """Assigns times to chunks.

    The first chunk starts at the time that the client gives, or else at its arrival. Later chunks follow the samples.
    If the client falls more than `gap` seconds behind the clock, the time jumps to now. It is never more than `ahead`
    seconds before the clock. A chunk has at most `largest` bytes.
    """

    def __init__(self, voice: Voice, gap: float, ahead: float, largest: int) -> None:
        self._voice = voice
        self._gap = gap
        self._ahead = ahead
        self._largest = largest
        self._anchor: float | None = None
        self._samples = 0  # samples since the anchor
        self._number = voice.first_sample  # number of the next sample in the client's session
        self._sequence = 0
        self.is_open = False  # whether audio came since the last end of speech
        self.listeners = voice.listeners  # number of people who can hear the room now; None: unknown
        self._late = 0.0  # seconds by which the client was behind the clock at its start; 0 after it has caught up
        self._stalled = 0.0  # seconds by which the gateway itself has delayed audio, until `_stalled_until`
        self._stalled_until = 0.0

    def chunks(self, frames: Sequence[Frame], arrival: Arrival) -> Iterator[tuple[AudioChunk, int]]:
        """Yield the frames of one read in as few chunks as possible, each with its number of samples.

        An END after audio becomes a final chunk. The session goes on after it.
        """
        self._excuse(arrival)
        self._keep_time(arrival.now, sum(frame.samples for frame in frames) / self._voice.sample_rate)
        for group in self._groups(frames):
            if group[0] is END:
                if final := self.final():
                    yield final, 0
                continue
            samples = sum(frame.samples for frame in group)
            self.is_open = True
            yield self._chunk(self._joined(group)), samples
            self._samples += samples
            self._number += samples

    def final(self) -> AudioChunk | None:
        """Return the chunk that ends the speech; None if no audio came since the last end."""
        if not self.is_open:
            return None
        self.is_open = False
        return self._chunk(b"", final=True)

    @property
    def _position(self) -> float:
        return (self._anchor or 0.0) + self._samples / self._voice.sample_rate

    def _excuse(self, arrival: Arrival) -> None:
        if arrival.now > self._stalled_until:
            self._stalled = 0.0
        if arrival.stalled:
            self._stalled += arrival.stalled
            self._stalled_until = arrival.now + CATCH_UP * self._stalled

    def _keep_time(self, now: float, seconds: float) -> None:
        """Decide when the next `seconds` of audio begin."""
        if self._anchor is None:
            self._jump(self._begun(now))
            self._late = max(0.0, now - self._position)
            return
        lag = now - (self._position + seconds)
        # A client that sends nothing while its speaker is muted falls behind. But no jump for the seconds of a stall:
        # the audio behind it is late, not new. The same holds for a client that began late (`_late`): its pause is a
        # stall of its own.
        if lag > self._late + self._stalled + self._gap:
            self._jump(now - seconds)
        elif self._position > now + self._ahead:  # audio came faster than it is spoken
            self._jump(now + self._ahead)
        if lag <= self._gap:
            self._late = self._stalled = 0.0

    def _begun(self, now: float) -> float:
        """Return when the first frame was spoken, which has just arrived."""
        stated = self._voice.start
        return stated if stated is not None and now - OLDEST_SECONDS <= stated <= now + self._ahead else now

    def _jump(self, to: float) -> None:
        self._anchor, self._samples = to, 0

    def _groups(self, frames: Sequence[Frame]) -> Iterator[Sequence[Frame]]:
        begin, size = 0, 0
        for place, frame in enumerate(frames):
            taken = len(frame.data) + LENGTH_BYTES
            full = size + taken > self._largest or place - begin == MAX_PACKETS
            if place > begin and (full or END in (frame, frames[place - 1])):
                yield frames[begin:place]
                begin, size = place, 0
            size += taken
        if frames:
            yield frames[begin:]

    def _joined(self, frames: Sequence[Frame]) -> bytes:
        data = [frame.data for frame in frames]
        return join_packets(data) if self._voice.codec == "opus" else b"".join(data)

    def _chunk(self, data: bytes, *, final: bool = False) -> AudioChunk:
        voice = self._voice
        sequence, self._sequence = self._sequence, self._sequence + 1
        return AudioChunk(
            room=voice.room,
            speaker=voice.speaker,
            room_type=voice.room_type,
            listeners=self.listeners,
            identity_verified=voice.identity_verified,
            drill=voice.drill,
            start=self._position,
            sequence=sequence,
            session=voice.session or "",
            first_sample=self._number if voice.session else 0,
            codec="opus_packets" if voice.codec == "opus" else voice.codec,
            sample_rate=voice.sample_rate,
            channels=voice.channels,
            final=final,
            data=data,
        )
