"""Whisper as a `Recogniser`: the algorithm that all engines share.

The steps are:
1. Encode each clip, with little more than its own length.
2. Detect the languages. Clips in a language that nobody asks for end here. If a clip changes its language, each of its
   parts is a clip of its own.
3. Decode the clips in batches.
4. Decode suspicious clips again, with more context and a wider beam, and keep the likeliest text.
5. Decode clips with the adapter of their language for other readings, where the recogniser has room.
6. Drop the texts of clips that are probably in a language that nobody asks for.
7. If a text ends before the voice does, the rest is a clip of its own, in any language.
Details are in whisper_input.py, hypothesis.py and clip_parts.py.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings.speech import Chinese
from pipeline.speech import languages
from pipeline.speech.asr.clip_parts import LEAST_REST, WINDOW, find_change, joined, quietest
from pipeline.speech.asr.hallucinations import LOW_LOGPROB
from pipeline.speech.asr.hypothesis import (
    CLEAR_CHOICE,
    CLEAR_LANGUAGE,
    Hypothesis,
    best_first,
    in_variant,
    is_suspicious,
    respelt,
)
from pipeline.speech.asr.recogniser import (
    MAX_SAMPLES,
    AdapterUse,
    Clip,
    HasRoom,
    Reading,
    Recognition,
    TimedWord,
    always_room,
    most_likely,
)
from pipeline.speech.asr.room_languages import LIKELY
from pipeline.speech.asr.whisper_adapter import WIDEST
from pipeline.speech.asr.whisper_input import (
    HOP,
    LIMITS,
    POSITIONS_PER_SECOND,
    Mel,
    as_trained,
    limit_of,
    log_mel,
    own_length,
    with_margin,
)
from pipeline.speech.audio.vad import VOICED, triage

PROBABLY_ASKED = 0.4
"""Probability of the languages to transcribe, together, below which an unsure text is invented."""

T = TypeVar("T")
R = TypeVar("R")

Encoding = Any
"""The encoder's output for one clip, shape (positions, width), one position per 20 ms. Each engine has its own type."""


@dataclass(frozen=True, slots=True, order=True)
class BeamSearch:
    """Parameters of the decoder's search."""

    beam: int = 1
    no_repeat: int = 0
    """No sequence of this many tokens may occur twice. 0: no limit."""
    adapted: bool = False
    """Decode with the language's adapter."""


WIDE = 5
"""Whisper's default beam size."""


FEW = 8
"""Clips that a CPU decodes together, if the settings do not say."""


AGAIN = (12.0, LIMITS[-1])
"""Seconds of context for a second decode. The smallest value is used that is at least 1 s longer than the clip."""


class WhisperNetwork(Protocol):
    """Whisper's weights in memory, on one runtime. Each of `workers` threads may call it at the same time.

    All methods raise DependencyError if the device is out of memory.
    """

    bands: int
    """Mel bands of the model's spectrogram."""
    workers: int
    """Number of batches that are processed at the same time."""
    encodes: int
    """The most clips that are encoded together."""
    batch: int
    """The most clips that are decoded together, if the settings do not say."""

    def encode(self, mels: Sequence[Mel], language: str = "") -> Sequence[Encoding]:
        """Encode clips, each as if it was alone.

        `language` selects their adapter, and then they have the same length. It is empty if the language is unknown.
        """

    def languages(self, encodings: Sequence[Encoding], limit: float) -> list[Mapping[str, float]]:
        """The probability of each language, for each clip of a batch. Clips are padded to `limit` seconds."""

    def adapts(self, language: str, limit: float) -> bool:
        """Whether there is an adapter for clips in `language` that are padded to `limit` seconds."""

    def decode(
        self,
        encodings: Sequence[Encoding],
        language: str,
        lengths: Sequence[float],
        limit: float,
        how: BeamSearch,
    ) -> list[list[Hypothesis]]:
        """The hypotheses for each clip of a batch, likeliest first.

        `lengths` are the clips' lengths in seconds. The clips are padded to `limit` seconds.
        """

    def words(self, mel: Mel, hypothesis: Hypothesis, seconds: float) -> tuple[TimedWord, ...]:
        """The words of one clip of `seconds`, with their times from the start of the clip."""


@dataclass(eq=False)
class _Sound:
    """The state of a clip between the steps."""

    clip: Clip
    mel: Mel = field(init=False)
    encoding: Encoding = None
    """None: the clip must be encoded."""
    limit: float = 0.0
    """Seconds to which the encoding is padded in a batch."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Detected probability of each language."""
    language: str = ""
    context: float = 0.0
    """Seconds to which the clip is padded with zeros, as in Whisper's training. 0: the clip keeps its own length."""
    search: BeamSearch = field(default_factory=BeamSearch)
    decodes: int = 0
    """Number of decodes so far. Each adds one or more texts to `tried`."""
    tried: list[Hypothesis] = field(default_factory=list)
    adapter: AdapterUse = "none"

    @property
    def seconds(self) -> float:
        return len(self.clip.samples) / SAMPLE_RATE

    @property
    def is_asked(self) -> bool:
        """Whether its language is one to transcribe."""
        return not self.clip.only or self.language in self.clip.only

    @property
    def other_language(self) -> str:
        """The likeliest of the languages that are not to transcribe. Empty: no other one can be heard."""
        others = self.probabilities.keys() - self.clip.only if self.clip.only else ()
        return most_likely(self.probabilities, sorted(others)) if others else ""

    @property
    def has_clear_language(self) -> bool:
        """Whether its language is clear among all languages, or among those to transcribe."""
        chances, likeliest = self.probabilities, most_likely(self.probabilities)
        asked = sum(chances.get(language, 0.0) for language in self.clip.only)
        # Of a clip in another language, the longer context may tell which one it is.
        is_clear_choice = likeliest in self.clip.only and chances[likeliest] >= CLEAR_CHOICE * asked
        return is_clear_choice or chances[likeliest] >= CLEAR_LANGUAGE

    @property
    def best(self) -> Hypothesis:
        return best_first(self.tried)[0]

    def pad(self, seconds: float) -> None:
        """Request a new encoding, padded with zeros to `seconds`, as in Whisper's training."""
        self.limit = self.context = seconds
        self.encoding = None

    def end_at(self, place: int) -> None:
        """Leave out all samples from `place` on. They are a clip of their own."""
        self.clip = replace(self.clip, samples=self.clip.samples[:place])
        self.mel = self.mel[:, : place // HOP]

    def another_try(self) -> bool:
        """Whether to decode the clip again for its text. If so, sets `context` and `search` for that.

        - A suspicious text is decoded once more, with more context and a wide beam.
        - A text that loops, after that or in the longest context, is decoded with repetitions suppressed.
        Nothing is sampled at random, so a clip always gives the same text.
        """
        loops, first = self.best.looping, self.decodes == 1
        if self.search.no_repeat or not (is_suspicious(self.best) if first else loops):
            return False
        # A context needs a margin of 1 s after the clip.
        fitting = [each for each in AGAIN if self.context < each and self.seconds < each - 1 and first]
        context = next(iter(fitting), LIMITS[-1])
        search = replace(self.search, beam=WIDE, no_repeat=3 if loops and context == LIMITS[-1] else 0)
        if (context, search) == (self.context, self.search):  # the same decode gives the same text
            return False
        self.pad(context)
        self.search = search
        return True

    def adapt(self, first: BeamSearch) -> None:
        """Set `context` and `search` for a decode with the adapter. `first` is the search of the first decode."""
        self.pad(with_margin(self.mel))
        self.search = BeamSearch(min(first.beam, WIDEST), adapted=True)
        self.adapter = "read"


class WhisperRecogniser:
    """Implements `Recogniser` on a `WhisperNetwork`. `batch` is the maximum number of clips that are decoded together.

    None: that of the network. `chinese` is the variant in which Chinese is written.
    """

    def __init__(
        self, network: WhisperNetwork, name: str, batch: int | None = None, chinese: Chinese = "simplified"
    ) -> None:
        self._network = network
        self._name = name
        self._batch = batch or network.batch
        self._chinese = chinese
        self._pool = ThreadPoolExecutor(network.workers, thread_name_prefix="whisper")

    @property
    def name(self) -> str:
        return self._name

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        if any(len(clip.samples) > MAX_SAMPLES for clip in clips):
            raise ValueError(f"A clip has more than {MAX_SAMPLES} samples")
        sounds = [_Sound(clip) for clip in clips]
        self._listen(sounds)
        parts = self._each(self._parts, sounds)
        self._decode_asked([part for several in parts for part in several], has_room)
        rests = {part: rest for several in parts for part in several if (rest := _rest(part))}
        self._listen([*rests.values()])
        self._decode_asked([*rests.values()], has_room)
        return [self._joined(several, rests, words=words) for several in parts]

    def _listen(self, sounds: Sequence[_Sound]) -> None:
        """Encode the clips, and detect and select their languages."""
        # The longest first, so that no long clip remains when the other workers are idle.
        self._each(self._begin, self._encoded_together(sorted(sounds, key=lambda sound: -sound.seconds)))
        self._detect_languages(sounds)

    def _encoded_together(self, sounds: Sequence[_Sound]) -> Iterator[Sequence[_Sound]]:
        return (sounds[at : at + self._network.encodes] for at in range(0, len(sounds), self._network.encodes))

    def _begin(self, sounds: Sequence[_Sound]) -> None:
        for sound in sounds:
            sound.mel = log_mel(sound.clip.samples, self._network.bands)
        # Detecting an unknown language needs an encoding, too.
        heard = [sound for sound in sounds if sound.clip.language is None or _has_own_length(sound.clip.language)]
        if heard:
            encodings = self._network.encode([own_length(sound.mel) for sound in heard])
            for sound, encoding in zip(heard, encodings, strict=True):
                sound.encoding, sound.limit = encoding, limit_of(len(encoding))

    def _detect_languages(self, sounds: Sequence[_Sound]) -> None:
        """Detect the languages, and select them in the order of the clips: a room's earlier clips are the prior."""
        asked = [sound for sound in sounds if sound.clip.language is None]
        self._each(self._detect_batch, self._batches(asked))
        unclear = [sound for sound in asked if not sound.has_clear_language]
        self._each(self._detect_again, self._encoded_together(unclear))
        for sound in sounds:
            sound.language = sound.clip.language or sound.clip.choose(sound.probabilities)

    def _detect_batch(self, batch: Sequence[_Sound]) -> None:
        found = self._network.languages([sound.encoding for sound in batch], batch[0].limit)
        for sound, probabilities in zip(batch, found, strict=True):
            sound.probabilities = probabilities

    def _detect_again(self, sounds: Sequence[_Sound]) -> None:
        encodings = self._network.encode([as_trained(sound.mel, LIMITS[-1]) for sound in sounds])
        for sound, probabilities in zip(sounds, self._network.languages(encodings, LIMITS[-1]), strict=True):
            sound.probabilities = probabilities

    def _parts(self, sound: _Sound) -> Sequence[_Sound]:
        """The clip, or its two parts if it changes its language. One of them may be in a language not to transcribe."""
        if sound.clip.language or not sound.clip.only:
            return [sound]
        spoken = sound.clip.only | {most_likely(sound.probabilities)}
        change = find_change(partial(self._windows, sound), sound.seconds, spoken)
        if change is None:
            return [sound]
        place = quietest(sound.clip.samples, change.seconds)
        found = [
            _Sound(replace(sound.clip, samples=sound.clip.samples[part]), language=language)
            for language, part in ((change.before, slice(place)), (change.after, slice(place, None)))
        ]
        for part in found:
            if part.is_asked:
                self._begin([part])
                self._detect_batch([part])  # it may be in a third language
        return found

    def _windows(self, sound: _Sound, starts: Sequence[float]) -> Sequence[Mapping[str, float]]:
        """The probability of each language in the windows that start at these seconds."""
        places = [round(start * POSITIONS_PER_SECOND) for start in starts]
        length = round(WINDOW * POSITIONS_PER_SECOND)
        return self._network.languages([sound.encoding[place : place + length] for place in places], WINDOW)

    def _decode_asked(self, sounds: Sequence[_Sound], has_room: HasRoom) -> None:
        """Decode the clips in languages to transcribe, and then find those that are in another one after all.

        Whisper writes another language as English that nobody said. In its own language, it is surer of the words.
        """
        asked = [sound for sound in sounds if sound.is_asked]
        self._decode(asked, has_room)
        doubtful = [sound for sound in asked if sound.other_language and sound.clip.voice >= VOICED]
        rivals = {
            sound: _Sound(replace(sound.clip, language=sound.other_language))
            for sound in doubtful
            if sound.probabilities[sound.other_language] >= LIKELY
        }
        self._listen([*rivals.values()])
        self._decode([*rivals.values()], has_room)
        for sound in doubtful:
            is_likelier = sound in rivals and rivals[sound].best.avg_logprob >= sound.best.avg_logprob
            if is_likelier or _is_invented(sound):
                sound.language = sound.other_language

    def _decode(self, sounds: Sequence[_Sound], has_room: HasRoom) -> None:
        """Decode all clips. Clips for another decode join the waiting ones, so that no worker is idle."""
        for sound in sounds:
            sound.search = first_search(sound.language)
            if not _has_own_length(sound.language):
                sound.pad(with_margin(sound.mel))
        waiting, running = list(sounds), set[Future[Sequence[_Sound]]]()
        while waiting or running:
            while waiting and (idle := self._network.workers - len(running)):
                running.add(self._pool.submit(self._search, self._next_batch(waiting, idle)))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            waiting += [sound for each in done for sound in each.result() if self._goes_on(sound, has_room)]

    def _goes_on(self, sound: _Sound, has_room: HasRoom) -> bool:
        """Whether to decode the clip again, for its text or with the adapter."""
        if sound.search.adapted:
            return False
        if sound.another_try():
            return True
        if not self._network.adapts(sound.language, with_margin(sound.mel)):
            return False
        # The adapter's text may replace a text with a fault. The best text must not depend on room, so the adapter
        # always reads a clip with a fault.
        if not any(sound.best.faults) and not has_room():
            sound.adapter = "skipped"
            return False
        sound.adapt(first_search(sound.language))
        return True

    def _search(self, batch: Sequence[_Sound]) -> Sequence[_Sound]:
        """Decode a batch."""
        if new := [sound for sound in batch if sound.encoding is None]:
            language = batch[0].language if batch[0].search.adapted else ""
            encodings = self._network.encode([as_trained(sound.mel, sound.context) for sound in new], language)
            for sound, encoding in zip(new, encodings, strict=True):
                sound.encoding = encoding
        found = self._network.decode(
            [sound.encoding for sound in batch],
            batch[0].language,
            [sound.seconds for sound in batch],
            batch[0].limit,
            batch[0].search,
        )
        for sound, hypotheses in zip(batch, found, strict=True):
            sound.tried += [in_variant(each, self._chinese) for each in hypotheses]
            sound.decodes += 1
        return batch

    def _batches(self, sounds: Sequence[_Sound]) -> Iterator[Sequence[_Sound]]:
        left = list(sounds)
        while left:
            yield self._next_batch(left, self._network.workers)

    def _next_batch(self, waiting: list[_Sound], idle: int) -> list[_Sound]:
        """Take a batch from `waiting`. Its clips have the same padding and search, so a text depends on its clip alone.

        The longest clips come first, so that they do not remain for the end.
        """
        longest = max(map(_alike, waiting))
        alike = [sound for sound in waiting if _alike(sound) == longest]
        size = min(self._batch, -(-len(waiting) // idle))  # a batch for each idle worker
        # Equal batches, instead of full ones and a small rest.
        batch = alike[: -(-len(alike) // -(-len(alike) // size))]
        waiting[:] = [sound for sound in waiting if sound not in batch]
        return batch

    def _each(self, work: Callable[[T], R], parts: Iterable[T]) -> list[R]:
        """Run `work` on each part in the thread pool. The results are in order."""
        return list(self._pool.map(work, parts))

    def _joined(self, parts: Sequence[_Sound], rests: Mapping[_Sound, _Sound], *, words: bool) -> Recognition:
        """The recognition of a clip."""
        found = []
        for part in parts:
            found.append((part.seconds, self._recognition(part, words=words)))
            if rest := rests.get(part):
                heard = self._recognition(rest, words=words)
                if heard.avg_logprob > LOW_LOGPROB:  # a rest may be a noise, for which Whisper invents words
                    found.append((rest.seconds, heard))
        return joined(found)

    def _recognition(self, sound: _Sound, *, words: bool) -> Recognition:
        if not sound.is_asked:
            return _undecoded(sound)
        best, *others = best_first(sound.tried)
        return Recognition(
            text=best.text,
            language=best.language,
            language_probability=sound.probabilities.get(best.language, 1.0),
            avg_logprob=best.avg_logprob,
            no_speech=best.no_speech,
            compression_ratio=best.compression_ratio,
            words=respelt(self._network.words(sound.mel, best, sound.seconds), best.text) if words else (),
            alternatives=tuple(Reading(other.text, other.avg_logprob) for other in others),
            adapter=sound.adapter,
        )


def _rest(sound: _Sound) -> _Sound | None:
    """The rest of a clip if its text ends before the voice does. It may be in another language. Cuts the clip."""
    if not sound.is_asked or not sound.tried or sound.seconds - sound.best.end < LEAST_REST:
        return None
    place = quietest(sound.clip.samples, sound.best.end)
    rest = sound.clip.samples[place:]
    if triage(rest).voice < VOICED:
        return None
    sound.end_at(place)
    # The room has already chosen the language of the whole clip.
    choose = partial(most_likely, only=sound.clip.only)
    return _Sound(
        replace(sound.clip, samples=rest, language=None if sound.clip.only else sound.clip.language, choose=choose)
    )


def _is_invented(sound: _Sound) -> bool:
    """Whether the text of a clip is unsure, and its language probably not one to transcribe."""
    asked = sum(sound.probabilities.get(language, 0.0) for language in sound.clip.only)
    return asked < PROBABLY_ASKED and sound.best.avg_logprob < LOW_LOGPROB


def _undecoded(sound: _Sound) -> Recognition:
    chance = sound.probabilities.get(sound.language, 1.0)
    return Recognition("", sound.language, chance, avg_logprob=-math.inf, no_speech=0.0, compression_ratio=0.0)


def first_search(language: str) -> BeamSearch:
    """The search for the first decode of a clip in `language`."""
    return BeamSearch(languages.read_language(language).recogniser.beam or WIDE)


def _has_own_length(language: str) -> bool:
    """Whether clips of this language are encoded at their own length, as clips of an unknown language are."""
    return languages.read_language(language).recogniser.own_length


def _alike(sound: _Sound) -> tuple[float, BeamSearch, str]:
    return sound.limit, sound.search, sound.language
