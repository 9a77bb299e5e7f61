"""The recipe, whatever runs the network: each clip at its own length, and a second look at what seems wrong.

Encode each clip, tell the languages, decode in batches; then decode what is suspicious again, with more context and a
wider search, and keep the likeliest. The steps stand in files of their own: context.py, hypothesis.py, suspicion.py.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol, TypeVar

from pipeline.asr.context import LIMITS, as_trained, limit_of, own_length
from pipeline.asr.hypothesis import Hypothesis, best_first
from pipeline.asr.mel import Mel, log_mel
from pipeline.asr.suspicion import CLEAR_LANGUAGE, is_suspicious
from pipeline.asr.transcriber import MAX_SAMPLES, Clip, Reading, Recognition, TimedWord
from pipeline.messages import SAMPLE_RATE

T = TypeVar("T")
R = TypeVar("R")

Encoding = Any
"""The encoder's output for one clip, shape (positions, width), a position each 20 ms; the network's kind of array."""


@dataclass(frozen=True, slots=True)
class Search:
    """How the decoder looks for a text."""

    beam: int = 1
    no_repeat: int = 0
    """No run of so many tokens comes twice; 0: any may."""

    @property
    def readings(self) -> int:
        """Texts to give: a wide beam's are worth reading, a narrow one's differ by a comma."""
        return self.beam if self.beam >= WIDE else 1


WIDE = 5
"""Whisper's own beam."""

RERUNS = ((12.0, Search(WIDE)), (30.0, Search(WIDE)), (30.0, Search(WIDE, no_repeat=3)))
"""Context in seconds and search, tried in turn; the later ones for loops alone. A clip that is too long for the first
skips it. Nothing is sampled: a clip gives the same text each time."""


class Network(Protocol):
    """Whisper's weights in memory. Called from as many threads as it has workers."""

    bands: int
    workers: int

    def encode(self, mel: Mel) -> Encoding:
        """One clip."""

    def languages(self, encodings: Sequence[Encoding], limit: float) -> list[Mapping[str, float]]:
        """Probability of each language for each clip of a batch; they are padded to `limit`."""

    def first(self, language: str) -> Search:
        """How a clip is searched at first."""

    def decode(
        self,
        encodings: Sequence[Encoding],
        languages: Sequence[str],
        lengths: Sequence[float],
        limit: float,
        how: Search,
    ) -> list[list[Hypothesis]]:
        """What each clip of a batch may say, likeliest first; they are padded to `limit`, of so many seconds each."""

    def words(self, mel: Mel, heard: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
        """When each word of one clip was spoken."""


@dataclass
class _Sound:
    """A clip on its way through the steps."""

    clip: Clip
    mel: Mel
    encoding: Encoding
    limit: float
    told: Mapping[str, float] = field(default_factory=dict)
    language: str = ""
    context: float = 0.0
    """Seconds that `encoding` has been padded to as Whisper was trained; 0: it has the clip's own length."""
    search: Search = field(default_factory=Search)
    tried: list[Hypothesis] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return len(self.clip.samples) / SAMPLE_RATE

    @property
    def best(self) -> Hypothesis:
        return best_first(self.tried)[0]


class Engine:
    """A Transcriber."""

    def __init__(self, network: Network, name: str, batch: int) -> None:
        self._network = network
        self._name = name
        self._batch = batch
        self._pool = ThreadPoolExecutor(network.workers, thread_name_prefix="whisper")

    @property
    def name(self) -> str:
        return self._name

    def transcribe(self, clips: Sequence[Clip], *, words: bool = False) -> list[Recognition]:
        if any(len(clip.samples) > MAX_SAMPLES for clip in clips):
            raise ValueError(f"a clip of more than {MAX_SAMPLES} samples")
        sounds = self._each(self._encode, clips)
        self._tell_languages(sounds)
        self._decode(sounds)
        self._decode_again(sounds)
        return [self._recognition(sound, words=words) for sound in sounds]

    def _encode(self, clip: Clip) -> _Sound:
        mel = log_mel(clip.samples, self._network.bands)
        encoding = self._network.encode(own_length(mel))
        return _Sound(clip, mel, encoding, limit_of(len(encoding)))

    def _tell_languages(self, sounds: Sequence[_Sound]) -> None:
        """Picked in the order of the clips: a room's earlier ones are the prior of its later ones."""
        asked = [sound for sound in sounds if sound.clip.language is None]
        self._each(self._hear_languages, self._batches(asked))
        self._each(self._hear_language_again, [sound for sound in asked if max(sound.told.values()) < CLEAR_LANGUAGE])
        for sound in sounds:
            sound.language = sound.clip.language or sound.clip.tell(sound.told)

    def _hear_languages(self, batch: Sequence[_Sound]) -> None:
        found = self._network.languages([sound.encoding for sound in batch], batch[0].limit)
        for sound, told in zip(batch, found, strict=True):
            sound.told = told

    def _hear_language_again(self, sound: _Sound) -> None:
        encoding = self._network.encode(as_trained(sound.mel, LIMITS[-1]))
        (sound.told,) = self._network.languages([encoding], LIMITS[-1])

    def _decode(self, sounds: Sequence[_Sound]) -> None:
        for sound in sounds:
            sound.search = self._network.first(sound.language)
        self._search(sounds)

    def _decode_again(self, sounds: Sequence[_Sound]) -> None:
        """What is suspicious; a later step only for what still loops."""
        left = [sound for sound in sounds if is_suspicious(sound.best)]
        for context, search in RERUNS:
            now = [sound for sound in left if sound.seconds < context - 1 or context == LIMITS[-1]]
            later = [sound for sound in left if sound.seconds >= context - 1 and context < LIMITS[-1]]
            for sound in now:
                sound.limit, sound.search = context, search
            self._each(self._encode_again, now)
            self._search(now)
            left = later + [sound for sound in now if sound.best.looping]

    def _encode_again(self, sound: _Sound) -> None:
        if sound.context != sound.limit:
            sound.context, sound.encoding = sound.limit, self._network.encode(as_trained(sound.mel, sound.limit))

    def _search(self, sounds: Sequence[_Sound]) -> None:
        """In batches of those that are padded and searched alike, so that none depends on what else is in hand."""
        self._each(self._search_batch, self._batches(sounds))

    def _search_batch(self, batch: Sequence[_Sound]) -> None:
        found = self._network.decode(
            [sound.encoding for sound in batch],
            [sound.language for sound in batch],
            [sound.seconds for sound in batch],
            batch[0].limit,
            batch[0].search,
        )
        for sound, hypotheses in zip(batch, found, strict=True):
            sound.tried += hypotheses

    def _batches(self, sounds: Sequence[_Sound]) -> list[Sequence[_Sound]]:
        """At most `asr.batch` each, and fewer where that leaves a worker idle."""
        ranked = sorted(sounds, key=_alike, reverse=True)  # the longest first, so that no worker is left with it
        size = min(self._batch, max(1, -(-len(ranked) // self._network.workers)))
        return [part for _, same in groupby(ranked, _alike) for part in batched(list(same), size)]

    def _each(self, work: Callable[[T], R], parts: Iterable[T]) -> list[R]:
        """`work` on each part, by all workers; the results in order."""
        return list(self._pool.map(work, parts))

    def _recognition(self, sound: _Sound, *, words: bool) -> Recognition:
        best, *others = best_first(sound.tried)
        return Recognition(
            text=best.text,
            language=best.language,
            language_probability=sound.told.get(best.language, 1.0),
            avg_logprob=best.avg_logprob,
            no_speech=best.no_speech,
            compression_ratio=best.compression_ratio,
            words=self._network.words(sound.mel, best, sound.seconds) if words else (),
            alternatives=tuple(Reading(other.text, other.avg_logprob) for other in others),
        )


def _alike(sound: _Sound) -> tuple[float, int, int]:
    return sound.limit, sound.search.beam, sound.search.no_repeat


def batched(items: list[T], size: int) -> Iterator[Sequence[T]]:
    """Parts of even size, none longer than `size`."""
    count = -(-len(items) // size)
    return (items[len(items) * part // count : len(items) * (part + 1) // count] for part in range(count))
