"""The segment stage: it takes the audio of all speakers and returns utterances."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from msgspec import structs

from pipeline.base.metrics import Metrics, from_zero
from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import (
    EARLY_SECONDS,
    SAMPLE_RATE,
    AudioChunk,
    EarlyUtterance,
    Utterance,
    derive_id,
    origin,
    sample_of,
)
from pipeline.contract.stage import STAGE_FAULTS, HoldingProcessor, Rejected, blamed
from pipeline.settings import Audio, Settings
from pipeline.speech.audio import vad
from pipeline.speech.audio.chunk_order import FAULTS, ReceivedSamples
from pipeline.speech.audio.cutter import MIN_SECONDS, OVERLAP_SECONDS, PAD_SECONDS
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.speaker_tracks import KEEP_SECONDS, Key, SpeakerTracks
from pipeline.speech.audio.speech_track import SpeechPiece, SpeechTrack

REMEMBERED_SPEECH = 50_000
"""Number of utterances that are remembered."""


EVERY_SECONDS = 60.0
"""Minimum seconds between two examples of one speaker."""

REMEMBERED_EXAMPLES = 10_000
"""Number of speakers whose last example is remembered."""


LIVE_SECONDS = (-1.0, 5.0)
"""The least and the most seconds from the end of live speech to its processing. The clocks of apps may differ."""

Output = Utterance | EarlyUtterance | Rejected


class Segment(HoldingProcessor[AudioChunk, Utterance | EarlyUtterance]):
    """Cuts each speaker's audio into utterances. The result does not depend on other speakers or on the chunk size.

    If it is `early`, it also returns live speech in the pause that may end it, once in each pause, and long speech so
    far while it goes on.
    """

    def __init__(
        self,
        settings: Audio,
        metrics: Metrics,
        model: vad.Vad,
        clock: Callable[[], float] = time.time,
        *,
        early: bool = False,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        from_zero(metrics.sequence_faults, FAULTS)
        self._model = model
        self._clock = clock
        self._early = early
        self._speakers: SpeakerTracks[SpeechTrack, Utterance | EarlyUtterance] = SpeakerTracks(
            settings, clock, self._speaker, self._hear, self._end
        )
        self._shown = 0
        """Number of speakers that the metric counts."""
        self._sent = SentSpeech()
        self._examples = FaultExamples(clock)

    def process(self, batch: Sequence[AudioChunk]) -> list[Output]:
        results = [result for chunk in batch for result in self._speakers.take(chunk)]
        self._show_speakers()
        return self._counted(results)

    def lead_in(
        self, earlier: Iterable[AudioChunk], sent: Iterable[Utterance | EarlyUtterance] = (), *, whole: bool = False
    ) -> None:
        """Process again the audio that came before the first batch.

        So speech in progress is cut at the same places as before. `sent` are the utterances that were already returned:
        for this audio, and for audio that is delivered again after it. If they are the `whole`, speech that is open now
        was returned so far, even if it seems to begin elsewhere because `earlier` begins within it.
        """
        self._sent.note(each for each in sent if isinstance(each, Utterance))
        for chunk in earlier:
            deque(self._speakers.take_earlier(chunk), maxlen=0)  # its utterances were returned before
        for key in self.speakers() if whole else ():
            deque(self._unfinished(key), maxlen=0)

    def tick(self, now: float) -> list[Output]:
        """Return the unfinished speech of speakers who sent nothing for `idle_seconds`.

        Their speech stays open for `KEEP_SECONDS`, because an outage looks the same. A runner with a backlog must not
        call this: the backlog may contain their audio.
        """
        idle = self._speakers.idle(now)
        sent = [result for key in idle for result in self._unfinished(key)]
        over = [key for key in idle if not self._stays_open(self._speakers.tracks[key], now)]
        return self._counted(sent) + self._end_all(over)

    def drain(self) -> list[Output]:
        return self._end_all(self.speakers())

    def close(self) -> None:
        self._speakers.tracks.clear()
        self._show_speakers()

    def needed(self, room: str, speaker: str) -> int:
        """How many of this speaker's latest chunks are still needed."""
        held = self._speakers.tracks.get((room, speaker))
        return held.needed if held else 0

    def speakers(self) -> list[Key]:
        """The speakers that the stage follows. The one who is idle longest comes first."""
        return list(self._speakers.tracks)

    def held_seconds(self) -> list[float]:
        """Seconds of decoded audio in memory for each speaker, in the order of `speakers`."""
        return [speaker.held / SAMPLE_RATE for speaker in self._speakers.tracks.values()]

    def _unfinished(self, key: Key) -> Iterator[Output]:
        for result in self._utterances(key, self._speakers.tracks[key].unfinished()):
            yield result
            if isinstance(result, Utterance):
                self._sent.note([result])

    def _stays_open(self, speaker: SpeechTrack, now: float) -> bool:
        return speaker.is_open and now - speaker.seen < self._settings.idle_seconds + KEEP_SECONDS

    def _speaker(self, key: Key, received: ReceivedSamples) -> SpeechTrack:
        return SpeechTrack(self._model, self._settings, self._metrics, received, partial(self._examples.due, key))

    def _hear(self, key: Key, speaker: SpeechTrack, chunk: AudioChunk) -> Iterator[Output]:
        yield from self._utterances(key, speaker.push(chunk))
        # A final chunk ends the speech itself.
        if self._early and not chunk.final and (piece := speaker.early()):
            yield from self._early_utterance(key, piece)

    def _end(self, key: Key, speaker: SpeechTrack) -> Iterator[Output]:
        yield from self._utterances(key, speaker.flush())

    def _early_utterance(self, key: Key, piece: SpeechPiece) -> Iterator[EarlyUtterance]:
        """The utterance that a pause will make, or the speech so far. Nothing for recordings: they are not live."""
        unsent = self._sent.rest(key, piece) if self._is_live(piece) else None
        made = _encoded(unsent) if unsent else None
        # The rest of speech may be too short for the id of its flag.
        so_short = piece.cut.so_far and unsent and unsent.cut.samples.size < EARLY_SECONDS * SAMPLE_RATE
        if isinstance(made, Utterance) and not so_short:
            fields = {name: getattr(made, name) for name in ("id", "end", "overlap", "data")}
            yield EarlyUtterance(**origin(made), **fields, so_far=piece.cut.so_far)

    def _is_live(self, piece: SpeechPiece) -> bool:
        least, most = LIVE_SECONDS
        return least <= self._clock() - (piece.start + piece.cut.samples.size) / SAMPLE_RATE <= most

    def _end_all(self, keys: Iterable[Key]) -> list[Output]:
        results = [*self._speakers.end(keys)]
        self._show_speakers()
        return self._counted(results)

    def _show_speakers(self) -> None:
        """Update the metric, to which all segmenters of the process add their speakers."""
        self._metrics.open_speakers.inc(len(self._speakers.tracks) - self._shown)
        self._shown = len(self._speakers.tracks)

    def _counted(self, results: list[Output]) -> list[Output]:
        seconds = (result.end - result.start - result.overlap for result in results if isinstance(result, Utterance))
        self._metrics.speech_seconds.inc(sum(seconds))
        return results

    def _utterances(self, key: Key, pieces: Iterable[SpeechPiece | Rejected]) -> Iterator[Output]:
        for piece in pieces:
            if isinstance(piece, Rejected):
                yield piece
            elif unsent := self._sent.rest(key, piece):
                yield _encoded(unsent)


def build(settings: Settings, metrics: Metrics) -> Segment:
    """Build the segment stage. Loads the voice activity detector once per process."""
    return Segment(settings.audio, metrics, vad.shared(), early=True)


def _encoded(piece: SpeechPiece) -> Utterance | Rejected:
    """Encode a piece as an utterance. If that fails, its raw samples go to the dead letters."""
    try:
        return _utterance(piece, encode_flac(piece.cut.samples))
    except STAGE_FAULTS:
        raise  # not the fault of this speech
    except Exception as error:
        return Rejected(_utterance(piece, piece.cut.samples.tobytes()), blamed(error))


def _utterance(piece: SpeechPiece, data: bytes) -> Utterance:
    cut = piece.cut
    utterance = Utterance(
        **piece.origin,
        start=piece.start / SAMPLE_RATE,
        end=(piece.start + cut.samples.size) / SAMPLE_RATE,
        id="",
        forced=cut.forced,
        overlap=cut.overlap / SAMPLE_RATE,
        data=data,
    )
    return structs.replace(utterance, id=derive_id("segment", utterance))


class SentSpeech:
    """The latest utterances that were returned before their speech ended. When it is cut, only its rest is returned.

    When a speaker sends nothing for some time, the unfinished speech so far becomes an utterance. But the speech may
    continue, for example after an outage. Then the same worker cuts it, or another worker that reads the audio again.
    The speech is recognised by its first sample that no utterance before it has. Another worker may have cut the
    padding there at another length, because it heard less of the audio before.
    """

    def __init__(self) -> None:
        self._overlap = round(OVERLAP_SECONDS * SAMPLE_RATE)
        self._shortest = round(MIN_SECONDS * SAMPLE_RATE)
        self._padding = round(PAD_SECONDS * SAMPLE_RATE)
        self._ends = RecentDict[tuple[Key, int], int](REMEMBERED_SPEECH)
        """The end sample of each utterance, by speaker and first sample after its overlap, in units of the padding."""
        self._cut_within = RecentDict[Key, tuple[int, int]](REMEMBERED_SPEECH)
        """The end of a speaker's piece that was cut within returned speech, and the end of the returned speech."""

    def note(self, utterances: Iterable[Utterance]) -> None:
        """Remember `utterances`."""
        for each in utterances:
            first = sample_of(each.start) + sample_of(each.overlap)
            self._note((each.room, each.speaker), first, sample_of(each.end))

    def rest(self, key: Key, piece: SpeechPiece) -> SpeechPiece | None:
        """The rest of `piece` that was not returned before, with an overlap as after a forced cut.

        Returns `piece` itself if nothing of it was returned, and None if its rest is too short.
        """
        samples = piece.cut.samples
        before = known = piece.start + piece.cut.overlap
        while (end := self._end(key, known)) > known:  # the rest may have been returned in parts, too
            before, known = known, end
        if known == before:
            return piece
        new = piece.start + samples.size - known
        if new < 0:
            self._cut_within[key] = piece.start + samples.size, known
        # It must not have all of a short part that was returned last: then both would be cases of the same words.
        repeated = min(self._overlap, new, known - before)
        if new + repeated < self._shortest:
            return None
        head = known - repeated - piece.start
        cut = replace(piece.cut, start=piece.cut.start + head, samples=samples[head:], overlap=repeated)
        return replace(piece, start=piece.start + head, cut=cut)

    def _note(self, key: Key, first: int, end: int) -> None:
        place = key, first // self._padding
        self._ends[place] = max(end, self._ends.get(place, 0))

    def _end(self, key: Key, first: int) -> int:
        """The latest end of the utterances that begin at `first`, or up to the padding before or after it; else 0.

        Also the end of the utterances within which the speech before was cut, if `first` is in them.
        """
        near = first // self._padding
        cut, end = self._cut_within.get(key, (0, 0))
        return max(end if cut <= first else 0, *(self._ends.get((key, near + step), 0) for step in (-1, 0, 1)))


class FaultExamples:
    """Decides which bad packets become dead letters: one example per speaker and minute.

    It outlives a speaker's session: a new connection gives no additional example.

    `clock` gives UTC seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = RecentDict[Hashable, float](REMEMBERED_EXAMPLES)

    def due(self, speaker: Hashable) -> bool:
        """Whether to keep this speaker's bad packet as an example. If so, the next is due after EVERY_SECONDS."""
        now = self._clock()
        if abs(now - self._last.get(speaker, float("-inf"))) < EVERY_SECONDS:  # the clock may be set back
            return False
        self._last[speaker] = now
        return True
