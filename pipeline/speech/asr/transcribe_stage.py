"""The transcribe stage: it takes utterances of many rooms and returns transcripts."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import get_args

import prometheus_client

from pipeline.base.cpu_cores import cores
from pipeline.base.errors import AudioError, BadMessage
from pipeline.base.metrics import Metrics, from_zero
from pipeline.contract.messages import (
    MAX_ALTERNATIVES,
    SAMPLE_RATE,
    Alternative,
    EarlyUtterance,
    Mark,
    Transcript,
    Utterance,
    Word,
    utterance_of,
)
from pipeline.contract.stage import BEHIND_SECONDS, Backlog, Processor, Rejected
from pipeline.settings import Asr, Settings
from pipeline.speech.asr.early_recogniser import EarlyRecogniser, EarlyResult, Offer
from pipeline.speech.asr.hallucinations import HallucinationGuards, collapse, is_sure
from pipeline.speech.asr.recogniser import (
    MAX_SAMPLES,
    MAX_SECONDS,
    AdapterUse,
    Clip,
    HasRoom,
    Recogniser,
    Recognition,
    Samples,
    load_recogniser,
)
from pipeline.speech.asr.room_languages import RoomLanguages
from pipeline.speech.asr.transcripts import Overlaps, transcript_of, without_repeat, wordless, words_left
from pipeline.speech.audio.encode import decode_flac
from pipeline.speech.audio.vad import GATE, VOICED, Reason, shared, triage
from pipeline.speech.languages.writing_systems import tokens_of
from pipeline.speech.load_shedding import Shedding, Valve

EARLY_SHARE = 0.5
"""Most seconds of speech that early recognition may waste for each recognised second. It uses idle workers only."""

ADAPTER_PATIENCE_SECONDS = 0.3
"""While speech waits for longer, the adapter is left out: texts stay the same, and the judge gets fewer readings."""


def build(settings: Settings, metrics: Metrics) -> Shedding:
    """Build the transcribe stage with its model. Raises WeightsMissing, WeightsCorrupt or ConfigError."""
    transcribe = Transcribe(load_recogniser(settings.asr), settings.asr, metrics)
    return Shedding(transcribe, Valve(settings.overload), metrics, was_early=lambda: transcribe.was_early)


def build_for_texts(settings: Settings, metrics: Metrics) -> "Transcribe":
    """Build the stage for recordings whose transcripts nobody judges. Raises the errors of `build`."""
    return Transcribe(load_recogniser(settings.asr), settings.asr, metrics, judged=False)


class Transcribe(Processor[Utterance, Transcript]):
    """Transcribes batches of utterances. The output has one transcript or `Rejected` per utterance, in order.

    If the transcripts are not `judged`, they have the same texts, and fewer alternatives.
    """

    def __init__(self, recogniser: Recogniser, asr: Asr, metrics: Metrics, *, judged: bool = True) -> None:
        self._recogniser = recogniser
        self._judged = judged
        self._asr = asr
        self._metrics = metrics
        from_zero(metrics.transcripts, asr.languages)
        from_zero(metrics.marked, get_args(Mark))
        from_zero(metrics.triaged, get_args(Reason))
        from_zero(metrics.adapter_readings, get_args(AdapterUse))
        metrics.recogniser.labels(recogniser.name).set(1)
        self._only = frozenset(() if asr.language else asr.languages)
        """The languages to transcribe. Empty: the settings give the language."""
        self._guards = HallucinationGuards()
        self._languages = RoomLanguages(asr.languages)
        self._overlaps = Overlaps()
        self._busy = BusyTime(metrics.recogniser_busy_seconds)
        workers = asr.workers or cores()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="triage")
        shared()  # load the detector once, before several threads ask for it at the same time
        self._early = EarlyRecogniser(self._recognise_early, workers, EARLY_SHARE, metrics)
        self._waited = 0.0
        """Seconds for which the oldest utterance of the last batch had waited."""
        self.was_early = False
        """Whether the last batch used early results."""

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        opened = list(self._pool.map(self._open, batch))
        clips = {place: clip for place, clip in enumerate(opened) if isinstance(clip, Clip)}
        offers = self._offers(batch, clips)
        self.was_early = bool(offers)
        # Recognise the rest first: threads already work on the offers.
        late = [place for place in clips if place not in offers]
        found = dict(zip(late, self._recognise_now([clips[place] for place in late]), strict=True))
        found |= {place: self._confirmed(clips[place], offer) for place, offer in offers.items()}
        return [
            self._transcript(utterance, clip, found[place]) if isinstance(clip, Clip) else clip
            for place, (utterance, clip) in enumerate(zip(batch, opened, strict=True))
        ]

    def behind(self, backlog: Backlog) -> None:
        self._waited = backlog.waited
        self._early.behind(is_behind=backlog.waited > BEHIND_SECONDS)

    def early(self, messages: Sequence[EarlyUtterance]) -> None:
        self._early.offer(messages)

    def early_outputs(self) -> list[Transcript]:
        return self._early.take_so_far()

    def ready(self, messages: Sequence[Utterance]) -> list[Utterance]:
        return self._early.ready(messages)

    def close(self) -> None:
        self._early.close()
        self._pool.shutdown()

    def _offers(self, batch: Sequence[Utterance], clips: Collection[int]) -> dict[int, Offer]:
        """The offers of the utterances at the places `clips`. The work on them has begun.

        If a batch has several utterances of a room, they are recognised together, without their offers. The language of
        each one depends on the ones before it.
        """
        rooms = Counter(utterance.room for utterance in batch)
        taken = {place: offer for place, utterance in enumerate(batch) if (offer := self._early.take(utterance))}
        chosen = {place for place in taken if place in clips and rooms[batch[place].room] == 1}
        for place in taken.keys() - chosen:
            self._early.settle(taken[place], used=False)
        return {place: taken[place] for place in sorted(chosen)}

    def _confirmed(self, clip: Clip, offer: Offer) -> Recognition:
        """Wait for the early result. It is used if the room has not changed the language meanwhile."""
        result = offer.result.result()
        used = result is not None and (
            not result.probabilities
            or self._languages.guess(offer.utterance, result.probabilities, voiced=clip.voice >= VOICED)
            == result.language
        )
        self._early.settle(offer, used=used)
        if result is None or not used:
            return self._recognise_now([clip])[0]
        self._early.recognised(len(clip.samples) / SAMPLE_RATE)
        if result.probabilities:
            clip.choose(result.probabilities)  # the room remembers the language
        return result.recognition

    def _recognise_now(self, clips: Sequence[Clip]) -> list[Recognition]:
        if not clips:
            return []
        with self._early.beside(len(clips)):
            recognitions = self._recognise(clips, self._has_room)
        self._early.recognised(sum(len(clip.samples) for clip in clips) / SAMPLE_RATE)
        return recognitions

    def _recognise_early(self, utterances: Sequence[EarlyUtterance]) -> list[EarlyResult | None]:
        choices = [LanguageGuess(self._languages, utterance) for utterance in utterances]
        opened = [self._open_early(*each) for each in zip(utterances, choices, strict=True)]
        clips = [clip for clip in opened if clip]
        # Words so far are read again with their utterance, so they do without the adapter.
        has_room = never if any(utterance.so_far for utterance in utterances) else self._has_room
        recognitions = iter(self._recognise(clips, has_room) if clips else [])
        return [
            self._early_result(utterance, next(recognitions), choice) if clip else None
            for utterance, clip, choice in zip(utterances, opened, choices, strict=True)
        ]

    def _early_result(
        self, utterance: EarlyUtterance, recognition: Recognition, choice: "LanguageGuess"
    ) -> EarlyResult:
        so_far = self._so_far(utterance_of(utterance), recognition, choice) if utterance.so_far else None
        return EarlyResult(recognition, choice.language, choice.probabilities, so_far)

    def _so_far(self, utterance: Utterance, recognition: Recognition, choice: "LanguageGuess") -> Transcript | None:
        """The transcript of speech so far. None if the words are in doubt: the whole utterance says more. No memory."""
        other = self._only and recognition.language not in self._only
        if other or not choice.voiced or self._guards.marks(recognition):
            return None
        before = self._overlaps.before(utterance)
        text = without_repeat(before, recognition.text, utterance.overlap)
        return self._made(
            utterance, text, recognition, _alternatives(recognition, before, utterance.overlap), early=True
        )

    def _open_early(self, utterance: EarlyUtterance, choice: "LanguageGuess") -> Clip | None:
        samples = decode_flac(utterance.data)
        # No error here: the utterance itself will report it.
        if not 0 < len(samples) <= MAX_SAMPLES or (found := triage(samples)).reason is not None:
            return None
        choice.voiced = found.voice >= VOICED
        return Clip(samples, self._asr.language, choice, self._only, found.voice)

    def _recognise(self, clips: Sequence[Clip], has_room: HasRoom) -> list[Recognition]:
        with self._busy.working():
            recognitions = self._recogniser.transcribe(clips, words=self._asr.words, has_room=has_room)
        self._metrics.recognised_seconds.inc(sum(len(clip.samples) for clip in clips) / SAMPLE_RATE)
        return recognitions

    def _has_room(self) -> bool:
        return self._judged and max(self._waited, self._early.waited) <= ADAPTER_PATIENCE_SECONDS

    def _open(self, utterance: Utterance) -> Clip | Transcript | Rejected:
        """The clip to transcribe; a transcript without text if there is no speech; `Rejected` for invalid audio."""
        samples = _samples(utterance)
        if isinstance(samples, Rejected):
            return samples
        found = triage(samples)
        if found.reason is None:
            choose = self._languages.chooser(utterance, voiced=found.voice >= VOICED)
            return Clip(samples, self._asr.language, choose, self._only, found.voice)
        return self._no_speech(utterance, found.reason, found.voice)

    def _no_speech(self, utterance: Utterance, reason: Reason, voice: float) -> Transcript:
        self._metrics.triaged.labels(reason).inc()
        return wordless(utterance, no_speech=1 - voice, marks=("no_speech",), model=GATE)

    def _other_language(self, utterance: Utterance, language: str) -> Transcript:
        self._metrics.other_language_seconds.labels(language).inc(utterance.end - utterance.start)
        return wordless(utterance, language, skipped=True, model=self._recogniser.name)

    def _transcript(self, utterance: Utterance, clip: Clip, recognition: Recognition) -> Transcript:
        if self._only and recognition.language not in self._only:
            return self._other_language(utterance, recognition.language)
        readings = [recognition.text, *(other.text for other in recognition.alternatives)]
        has_words = any(map(tokens_of, readings))
        if clip.voice < VOICED and not (has_words and is_sure(recognition)):
            return self._no_speech(utterance, "no_voice", clip.voice)
        if not has_words:  # somebody spoke, so nobody may call it clean
            return wordless(utterance, skipped=True, model=self._recogniser.name)
        marks = self._guards.marks(recognition)
        # Before `trim`, which forgets the previous text.
        others = _alternatives(recognition, self._overlaps.before(utterance), utterance.overlap)
        text = self._overlaps.trim(utterance, collapse(recognition.text))
        self._metrics.transcripts.labels(recognition.language).inc()
        self._metrics.adapter_readings.labels(recognition.adapter).inc()
        for mark in marks:
            self._metrics.marked.labels(mark).inc()
        return self._made(utterance, text, recognition, others, marks=marks)

    def _made(
        self,
        utterance: Utterance,
        text: str,
        recognition: Recognition,
        others: tuple[Alternative, ...],
        marks: tuple[Mark, ...] = (),
        *,
        early: bool = False,
    ) -> Transcript:
        # `collapse` has removed turns of a loop, so the times would no longer belong to the words.
        words = () if "repetition" in marks else words_left(_words(utterance.start, recognition), text)
        return transcript_of(
            utterance,
            text=text,
            language=recognition.language,
            confidence=_unit(math.exp(recognition.avg_logprob)),
            no_speech=_unit(recognition.no_speech),
            marks=marks,
            words=words,
            alternatives=others,
            model=self._recogniser.name,
            early=early,
        )


def never() -> bool:
    """There is no room for the adapter."""
    return False


class LanguageGuess:
    """Selects the language of an early utterance as `RoomLanguages` would, and keeps what it was selected from."""

    def __init__(self, languages: RoomLanguages, utterance: EarlyUtterance) -> None:
        self._languages = languages
        self._utterance = utterance
        self.voiced = True
        """False: it may be music."""
        self.language = ""
        self.probabilities: Mapping[str, float] = {}

    def __call__(self, probabilities: Mapping[str, float]) -> str:
        self.probabilities = probabilities
        self.language = self._languages.guess(self._utterance, probabilities, voiced=self.voiced)
        return self.language


class BusyTime:
    """Adds to `counter` the seconds in which at least one block of `working` runs. `clock` is monotonic, in seconds."""

    def __init__(self, counter: prometheus_client.Counter, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter = counter
        self._clock = clock
        self._lock = Lock()
        self._running = 0
        self._counted = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        self._change(1)
        try:
            yield
        finally:
            self._change(-1)

    def _change(self, by: int) -> None:
        with self._lock:
            now = self._clock()
            if self._running:
                self._counter.inc(now - self._counted)
            self._counted = now
            self._running += by


def _samples(utterance: Utterance) -> Samples | Rejected:
    try:
        samples = decode_flac(utterance.data)
    except AudioError as error:
        return Rejected(utterance, error)
    if not 0 < len(samples) <= MAX_SAMPLES:
        seconds = len(samples) / SAMPLE_RATE
        return Rejected(
            utterance,
            BadMessage(
                f"The utterance has {seconds:.1f} s of audio", f"Send more than 0 s and at most {MAX_SECONDS:g} s."
            ),
        )
    return samples


def _words(start: float, recognition: Recognition) -> tuple[Word, ...]:
    return tuple(
        Word(word.text, start + word.start, start + word.end, _unit(word.probability)) for word in recognition.words
    )


def _alternatives(recognition: Recognition, before: str, overlap: float) -> tuple[Alternative, ...]:
    """The alternative texts, without the words that `before` has already."""
    best = recognition.alternatives[:MAX_ALTERNATIVES]
    # Otherwise the judge would read the words of the overlap twice.
    texts = (without_repeat(before, collapse(other.text), overlap) for other in best)
    return tuple(Alternative(text, other.avg_logprob) for text, other in zip(texts, best, strict=True))


def _unit(value: float) -> float:
    """Limit a probability to 0 to 1, because of rounding errors. NaN becomes 0."""
    # Models without a no-speech token give NaN.
    return 0.0 if math.isnan(value) else min(max(value, 0.0), 1.0)
