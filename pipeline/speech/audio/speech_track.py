"""Processes the audio of one speaker from chunks to cuts: find speech in its track, and cut it."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.base.metrics import Metrics
from pipeline.contract.stage import Rejected
from pipeline.settings import Audio
from pipeline.speech.audio.chunk_order import Ordered, ReceivedSamples
from pipeline.speech.audio.cutter import Cut, Cutter
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import AudioTrack
from pipeline.speech.audio.vad import WINDOW, Memory, Vad

RESET = 32
"""The voice activity detector is reset every 32 windows of the grid (1 s), except during speech. Without resets, old
audio could still move the edge of an utterance by one window, and its id would depend on where reading began."""


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """A cut with its time, and the fields that its chunks had from the app."""

    origin: dict[str, Any]
    """The fields of `Message` but `start`, from the last chunk."""
    start: int
    """Start of the cut in 16 kHz samples since 1970 UTC."""
    cut: Cut


class SpeechStream:
    """Audio without a gap, from `start` (16 kHz samples since 1970 UTC). It is cut while it grows.

    All streams have the same grid of windows, at multiples of 512 samples since 1970. So the same speech has the same
    windows, cuts and ids, with any chunk as the first one. Silence fills the first window up to `start`.
    """

    def __init__(self, start: int, vad: Vad, settings: Audio) -> None:
        lead = start % WINDOW
        self._origin = start - lead
        self._vad = vad
        self._memory = Memory()
        self._cutter = Cutter(settings)
        self._rest: Samples = np.zeros(lead, np.float32)
        """Samples of the last, incomplete window."""
        self._next = self._origin // WINDOW
        """Grid number of the window that is judged next."""

    @property
    def end(self) -> int:
        """End of the audio in 16 kHz samples since 1970 UTC."""
        return self._next * WINDOW + self._rest.size

    @property
    def open_since(self) -> int | None:
        """Where the unfinished speech begins, as a number of 16 kHz samples since 1970 UTC. None if nobody speaks."""
        since = self._cutter.open_since
        return None if since is None else self._origin + since

    @property
    def held(self) -> int:
        """Number of samples in memory."""
        return self._cutter.held + self._rest.size

    def push(self, samples: Samples) -> Iterator[tuple[int, Cut]]:
        """Add 16 kHz audio, shape (samples,). Yields cuts, each with its start in samples since 1970 UTC."""
        joined = np.concatenate([self._rest, samples])
        whole = joined.size - joined.size % WINDOW
        self._rest = joined[whole:].copy()  # a view would keep the whole block in memory
        first = 0
        while first < whole:
            after = min(whole, first + (RESET - self._next % RESET) * WINDOW)
            yield from self._placed(self._judge(joined[first:after]))
            first = after

    def _judge(self, windows: Samples) -> Iterator[Cut]:
        """Judge whole windows that end at or before the next reset."""
        if self._next % RESET == 0 and self._cutter.open_since is None:
            self._memory.reset()
        self._next += windows.size // WINDOW
        return self._cutter.push(windows, self._vad.probabilities(windows, self._memory))

    def unfinished(self) -> tuple[int, Cut] | None:
        """The unfinished speech so far, with its start. The speech stays open."""
        cut = self._cutter.unfinished()
        return (self._origin + cut.start, cut) if cut else None

    def early(self) -> tuple[int, Cut] | None:
        """See `Cutter.paused` and `Cutter.so_far`; with the start of the speech."""
        cut = self._cutter.paused() or self._cutter.so_far()
        return (self._origin + cut.start, cut) if cut else None

    def flush(self) -> Iterator[tuple[int, Cut]]:
        """End the stream. Yields the remaining cuts."""
        padding = -self._rest.size % WINDOW
        # Silence fills the last window. The cutter takes it off again.
        yield from self.push(np.zeros(padding, np.float32))
        yield from self._placed(self._cutter.flush(padding))

    def _placed(self, cuts: Iterator[Cut]) -> Iterator[tuple[int, Cut]]:
        return ((self._origin + cut.start, cut) for cut in cuts)


@dataclass(frozen=True, slots=True)
class ChunkMark:
    """A chunk without its audio."""

    end: int
    """End of its audio in 16 kHz samples since 1970 UTC."""
    arrival: int
    """Number of the chunk in order of arrival."""


class ChunkMarks:
    """Marks of chunks in the order of their audio. The chunks may have arrived in another order."""

    def __init__(self) -> None:
        self._marks: deque[ChunkMark] = deque()

    def add(self, mark: ChunkMark) -> None:
        """Add the mark of the next chunk in the stream."""
        while self._marks and self._marks[-1].arrival > mark.arrival:
            self._marks.pop()  # if that chunk is needed, this one is too, and this one arrived before it
        self._marks.append(mark)

    def forget(self, until: int) -> None:
        """Drop the marks of audio before sample `until`, which is no longer needed."""
        while self._marks and self._marks[0].end <= until:
            self._marks.popleft()

    def oldest(self, since: int) -> ChunkMark | None:
        """Of the chunks with audio after sample `since`, the one that arrived first. None if there is none."""
        return next((mark for mark in self._marks if mark.end > since), None)

    def clear(self) -> None:
        self._marks.clear()


class SpeechTrack(AudioTrack[SpeechPiece]):
    """Cuts the speech of one speaker in one room. Its memory is bounded: see `AudioTrack` and `Cutter`."""

    def __init__(
        self, vad: Vad, settings: Audio, metrics: Metrics, received: ReceivedSamples, example: Callable[[], bool]
    ) -> None:
        super().__init__(settings, metrics, received, example)
        self._new_stream: Callable[[int], SpeechStream] = lambda start: SpeechStream(start, vad, settings)
        self._stream: SpeechStream | None = None
        self._marks = ChunkMarks()
        """The chunks whose audio is in memory."""
        self._sent_to = -1
        """End of the stream when its unfinished speech was last returned."""

    @property
    def needed(self) -> int:
        """How many of the latest chunks are still needed, for unfinished speech or because they wait for their turn."""
        return self._order.arrived + 1 - min(self._needed(), default=self._order.arrived + 1)

    @property
    def held(self) -> int:
        """Number of decoded 16 kHz samples in memory."""
        return self._stream.held if self._stream else 0

    def unfinished(self) -> Iterator[SpeechPiece | Rejected]:
        """Process all held chunks, and yield the unfinished speech once. The speech stays open.

        So its later cuts do not depend on the moment of this call.
        """
        yield from self.catch_up()
        if self._stream and self._stream.end != self._sent_to:  # only once for the same audio
            self._sent_to = self._stream.end
            if unfinished := self._stream.unfinished():
                yield SpeechPiece(self.origin, *unfinished)

    def early(self) -> SpeechPiece | None:
        """See `Cutter.paused` and `Cutter.so_far`."""
        early = self._stream.early() if self._stream else None
        return SpeechPiece(self.origin, *early) if early else None

    @property
    def is_open(self) -> bool:
        """Whether there is unfinished speech."""
        return self._stream is not None and self._stream.open_since is not None

    def begin(self, start: int) -> None:
        self._stream = self._new_stream(start)
        self._sent_to = -1  # a stream of a clock that was set back may pass the same sample

    def hear(self, samples: Samples) -> Iterator[SpeechPiece]:
        if self._stream:
            yield from self._pieces(self._stream.push(samples))

    def finish(self) -> Iterator[SpeechPiece]:
        if self._stream:
            yield from self._pieces(self._stream.flush())
        self._marks.clear()
        self._stream = None

    def heard(self, ordered: Ordered) -> None:
        if self._stream:
            self._marks.forget(self._stream.end - self._stream.held)
            self._marks.add(ChunkMark(self._stream.end, ordered.arrival))

    def _needed(self) -> Iterator[int]:
        """Arrival number of each waiting chunk, and of the first chunk that unfinished speech needs."""
        yield from (each.arrival for each in self._order.waiting)
        # Speech that `unfinished` has returned is not lost in a restart, so it needs no chunk.
        unsent = self._stream and self._stream.end != self._sent_to
        since = self._stream.open_since if self._stream and unsent else None
        if since is not None and (mark := self._marks.oldest(since)):
            yield mark.arrival

    def _pieces(self, cuts: Iterator[tuple[int, Cut]]) -> Iterator[SpeechPiece]:
        return (SpeechPiece(self.origin, start, cut) for start, cut in cuts)
