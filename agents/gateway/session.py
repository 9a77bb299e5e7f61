"""One connection's frames as chunks: numbered from 0, and with times that follow the samples, not the network."""

from agents.gateway.frames import samples_in
from agents.gateway.request import Voice
from pipeline.messages import AudioChunk


class Session:
    """`start` of a chunk is the arrival of the first frame plus the samples since.

    A client that sends nothing while its speaker is muted falls behind the clock; then the time jumps to now. It does
    so only when we were waiting for the frame: what lies unread after a stall of ours is late, not new.
    """

    def __init__(self, voice: Voice, gap_seconds: float) -> None:
        self._voice = voice
        self._gap = gap_seconds
        self._anchor: float | None = None
        self._samples = 0
        self._sequence = 0

    def chunk(self, frame: bytes, now: float, waited: float) -> AudioChunk:
        """`now`: UTC seconds at arrival; `waited`: seconds since we asked for it. Raises InputError."""
        samples = samples_in(frame, self._voice)
        caught_up = waited >= samples / self._voice.sample_rate / 2
        if self._anchor is None or (caught_up and now - self._position > self._gap):
            self._anchor, self._samples = now, 0
        made = self._made(frame)
        self._samples += samples
        return made

    def final(self) -> AudioChunk | None:
        """The end of the session; None if it never began."""
        return self._made(b"", final=True) if self._anchor is not None else None

    @property
    def _position(self) -> float:
        return (self._anchor or 0.0) + self._samples / self._voice.sample_rate

    def _made(self, data: bytes, *, final: bool = False) -> AudioChunk:
        voice = self._voice
        sequence, self._sequence = self._sequence, self._sequence + 1
        return AudioChunk(
            room=voice.room,
            speaker=voice.speaker,
            room_type=voice.room_type,
            start=self._position,
            sequence=sequence,
            codec=voice.codec,
            sample_rate=voice.sample_rate,
            channels=voice.channels,
            final=final,
            data=data,
        )
