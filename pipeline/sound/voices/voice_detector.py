"""Notices in live rooms that another voice speaks on an account."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.sound.detector import SoundSpan
from pipeline.sound.events.scores import above
from pipeline.sound.voices.change import FRESH, LIMIT, Voices
from pipeline.sound.voices.speech import SpeechPart, SpeechParts
from pipeline.sound.voices.voice_embedding import embed
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key

MODEL = "voices@1"
BEFORE = 4
"""Parts of speech that a span has before those that are compared, so that a moderator hears both voices. One of them is
already of the other voice, because a change is reported a part later."""
REMEMBERED = 30 * 60 * SAMPLE_RATE
"""Samples of silence after which the voice of an account is forgotten."""


@dataclass
class AccountVoice:
    """What is remembered of an account while it is silent. It is in memory only."""

    end: int
    """End of the last part of speech, in samples since 1970 UTC. Speech before it is not heard again."""
    voices: Voices = field(default_factory=Voices)


class VoiceDetector:
    """Follows the voice of one account, in a stream that begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, account: AccountVoice, start: int) -> None:
        self._account = account
        self._parts = SpeechParts(start)
        self._starts: deque[int] = deque(maxlen=BEFORE + FRESH)
        """Starts of the last parts of speech."""

    def push(self, samples: Samples) -> Sequence[SoundSpan]:
        return [span for part in self._parts.push(samples) for span in self._take(part)]

    def flush(self) -> Sequence[SoundSpan]:
        return [*self._changed(self._account.voices.flush())] if self._starts else []

    def _take(self, part: SpeechPart) -> Iterator[SoundSpan]:
        if part.start < self._account.end:
            return  # it is read again
        self._account.end = part.end
        self._starts.append(part.start)
        [embedding] = embed([part.samples])
        yield from self._changed(self._account.voices.add(embedding))
        if self._account.voices.sure:
            self._parts.rest()

    def _changed(self, similarity: float | None) -> Iterator[SoundSpan]:
        if similarity is not None:
            heard = HeardSound(kind="voice_change", score=score_of(similarity))
            yield SoundSpan(heard, "", self._starts[0], self._account.end, MODEL)


class VoiceEar:
    """Makes the detectors of voice changes, if they are switched `on`.

    Audio stops while a speaker is muted, and another person may speak afterwards. So the ear remembers the voices of
    accounts beyond their streams: of at most `most` accounts, those that spoke last.
    """

    edition = 0

    def __init__(self, on: bool, most: int) -> None:
        self._on = on
        self._most = most
        self._accounts: OrderedDict[Key, AccountVoice] = OrderedDict()

    @property
    def awake(self) -> bool:
        return self._on

    def look(self) -> None:
        """Nothing outside of the process changes these detectors."""

    def detector(self, start: int, key: Key) -> VoiceDetector:
        known = self._accounts.get(key)
        if known is None or abs(start - known.end) > REMEMBERED:  # a clock that was wrong does not stay wrong
            known = self._accounts[key] = AccountVoice(start)
        self._accounts.move_to_end(key)
        if len(self._accounts) > self._most:
            self._accounts.popitem(last=False)
        return VoiceDetector(known, start)


def score_of(similarity: float) -> float:
    """0.5 at the limit of the similarity, and 0.75 if the voices differ twice as much."""
    return above(1 - similarity, 1 - LIMIT)
