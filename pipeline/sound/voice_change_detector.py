"""Notices in live rooms that another voice speaks on an account.

The speech of a stream is cut into parts of equal length. Each part is compared with the voice that spoke first. Pauses
and other sounds do not count. The model that tells speech costs most. So it rests where little can be missed: in the
block after one without speech, and while the voice surely is the known one.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import SAMPLE_RATE, HeardSound
from pipeline.sound.sound_detector import SoundSpan
from pipeline.sound.sound_windows import above
from pipeline.sound.voice_embedding import PART, SIZE, embed
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.speaker_tracks import Key
from pipeline.speech.audio.vad import WINDOW, Memory, shared

WINDOWS = -(-PART // WINDOW)
"""Windows of speech that make a part: 1.6 s."""
SPEECH = 0.5
"""Speech probability from which a window counts."""
QUIETEST = 1e-6
"""Mean square of the quietest window that may be speech: -60 dB of full scale."""
BLOCK = 16 * WINDOW
"""Samples that the model for speech takes at once: half a second, which costs half as much as window by window."""
REST = 3
"""Blocks of a rest that the listener asks for: about the speech of a part."""
KNOWN = 8
"""Parts of speech from which a voice is known: 13 s."""
FRESH = 4
"""Parts of speech that are compared with the known voice: 6.5 s."""
LIMIT = 0.7
"""Cosine of two voices below which they are different. The least similar speech of one person, through one microphone,
had .86. The rest is room for other microphones and moods (docs/sounds.md)."""
SURE = 0.8
"""Cosine of a part of speech and the known voice from which the part surely has this voice."""
Embedding = NDArray[np.float32]
"""Shape (SIZE,)."""
MODEL = "voices@1"
BEFORE = 4
"""Parts of speech in a span before the compared ones, so that a moderator hears both voices. One of them already has
the other voice, because a change is reported a part later."""
REMEMBERED = 30 * 60 * SAMPLE_RATE
"""Samples of silence after which the voice of an account is forgotten."""


class SpeechPart(NamedTuple):
    """A part of speech, shape (PART,). It lies between `start` and `end`, in samples since 1970 UTC."""

    start: int
    end: int
    samples: Samples


class SpeechParts:
    """The parts of speech of a stream that begins at `start`, in 16 kHz samples since 1970 UTC."""

    def __init__(self, start: int) -> None:
        lead = start % BLOCK  # blocks end at multiples of their size since 1970, with pieces of any size
        self._at = start - lead
        self._rest: Samples = np.zeros(lead, np.float32)
        self._memory = Memory()
        self._resting = 0
        """Blocks that are not heard from now on."""
        self._speech: list[tuple[int, Samples]] = []
        """The windows of the next part, with their starts."""

    def rest(self) -> None:
        """Leave out the audio after the last part, for about as long as a part."""
        self._resting = REST

    def push(self, samples: Samples) -> Iterator[SpeechPart]:
        """Yield the parts that `samples`, shape (samples,), complete."""
        waiting = np.concatenate([self._rest, samples])
        whole, self._rest = np.split(waiting, [waiting.size // BLOCK * BLOCK])
        for block in whole.reshape(-1, BLOCK):
            if self._resting:
                self._resting -= 1
                self._memory = Memory()  # the next block does not follow the last one that was heard
            else:
                yield from self._hear(block)
            self._at += BLOCK

    def _hear(self, block: Samples) -> Iterator[SpeechPart]:
        spoken = self._chances(block) >= SPEECH
        self._resting = int(not spoken.any())
        for number in np.flatnonzero(spoken).tolist():
            begin = number * WINDOW
            self._speech.append((self._at + begin, block[begin : begin + WINDOW]))
            if len(self._speech) == WINDOWS:
                yield self._part()
                if self._resting:  # the listener has called `rest` while this generator waited
                    return

    def _chances(self, block: Samples) -> NDArray[np.float32]:
        """The speech probability of each window of a block. The model does not hear a block without a loud window."""
        windows = block.reshape(-1, WINDOW)
        if np.square(windows).mean(axis=1).max() < QUIETEST:
            self._memory = Memory()
            return np.zeros(len(windows), np.float32)
        return shared().probabilities(block, self._memory)

    def _part(self) -> SpeechPart:
        first, last = self._speech[0][0], self._speech[-1][0]
        samples = np.concatenate([window for _, window in self._speech])[:PART]
        self._speech = []
        return SpeechPart(first, last + WINDOW, samples)


class Voices:
    """The voices of one account, one after the other. It needs 5 kB."""

    def __init__(self) -> None:
        self._known = np.zeros(SIZE, np.float32)
        """Sum of the embeddings of the known voice."""
        self._parts = 0
        """Number of these embeddings."""
        self._fresh: deque[Embedding] = deque(maxlen=FRESH)
        self._lowest = LIMIT
        """The lowest similarity so far, below the limit."""
        self.sure = False
        """Whether the last part surely has the known voice."""

    def add(self, embedding: Embedding) -> float | None:
        """Take the next part of speech. Return the similarity of the voices if another one speaks.

        It is returned when it no longer falls: then only the other voice is compared. After that, the voice before is
        forgotten, and the next parts are learned.
        """
        if self._parts < KNOWN:
            self._known = self._known + embedding
            self._parts += 1
            return None
        self.sure = similarity(self._known, embedding) >= SURE
        self._fresh.append(embedding)
        if len(self._fresh) < FRESH:
            return None
        # Single parts vary too much, so the last ones are compared together.
        now = similarity(self._known, np.sum([*self._fresh], axis=0))
        if now < self._lowest:
            self._lowest = now
            return None
        return self.flush()

    def flush(self) -> float | None:
        """The speech ends for now: return the similarity if another voice speaks."""
        lowest = self._lowest
        if lowest == LIMIT:
            return None
        self._known, self._parts, self._lowest, self.sure = np.zeros(SIZE, np.float32), 0, LIMIT, False
        self._fresh.clear()
        return lowest


def similarity(one: Embedding, other: Embedding) -> float:
    """The cosine between two voices, from 0 to 1. A voice is the sum or the mean of embeddings."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0


@dataclass
class AccountVoice:
    """What is remembered of an account while it is silent. It is in memory only."""

    end: int
    """End of the last part of speech, in samples since 1970 UTC. Speech before it is not heard again."""
    voices: Voices = field(default_factory=Voices)


class VoiceChangeDetector:
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


class VoiceChangeDetectors:
    """Makes the detectors of voice changes, if they are switched `on`.

    Audio stops while a speaker is muted, and another person may speak afterwards. So voices are remembered beyond their
    streams: of the `most` accounts that spoke last.
    """

    edition = 0

    def __init__(self, on: bool, most: int) -> None:
        self._on = on
        self._accounts = RecentDict[Key, AccountVoice](most)

    @property
    def awake(self) -> bool:
        return self._on

    def look(self) -> None:
        """Nothing outside of the process changes these detectors."""

    def detector(self, start: int, key: Key) -> VoiceChangeDetector:
        known = self._accounts.get(key)
        if known is None or abs(start - known.end) > REMEMBERED:  # a clock that was wrong does not stay wrong
            known = AccountVoice(start)
        self._accounts[key] = known
        return VoiceChangeDetector(known, start)


def score_of(similarity: float) -> float:
    """0.5 at the limit of the similarity, and 0.75 if the voices differ twice as much."""
    return above(1 - similarity, 1 - LIMIT)
