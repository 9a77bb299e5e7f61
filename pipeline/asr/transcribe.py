"""The transcribe stage: it takes utterances of many rooms and returns transcripts."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

from pipeline.asr.guards import Guards, collapse, is_sure
from pipeline.asr.language import RoomLanguages
from pipeline.asr.overlap import Overlaps, without_repeat, words_left
from pipeline.asr.shedding import Shedding
from pipeline.asr.transcriber import MAX_SAMPLES, MAX_SECONDS, Clip, Recognition, Samples, Transcriber, load
from pipeline.asr.transcripts import transcript_of, wordless
from pipeline.asr.triage import GATE, VOICED, Reason, triage
from pipeline.audio.encode import decode_flac
from pipeline.audio.vad import shared
from pipeline.cores import cores
from pipeline.errors import AudioError, BadMessage
from pipeline.messages import MAX_ALTERNATIVES, SAMPLE_RATE, Alternative, Mark, Transcript, Utterance, Word
from pipeline.metrics import Metrics, from_zero
from pipeline.overload import Valve
from pipeline.settings import Asr, Settings
from pipeline.stage import Processor, Rejected


def build(settings: Settings, metrics: Metrics) -> Shedding:
    """Build the transcribe stage with its model. Raises WeightsMissing, WeightsCorrupt or ConfigError."""
    return Shedding(Transcribe(load(settings.asr), settings.asr, metrics), Valve(settings.overload), metrics)


class Transcribe(Processor[Utterance, Transcript]):
    """Transcribes batches of utterances. The output has one transcript or `Rejected` per utterance, in order."""

    def __init__(self, transcriber: Transcriber, asr: Asr, metrics: Metrics) -> None:
        self._transcriber = transcriber
        self._asr = asr
        self._metrics = metrics
        from_zero(metrics.transcripts, asr.languages)
        from_zero(metrics.marked, get_args(Mark))
        from_zero(metrics.triaged, get_args(Reason))
        metrics.recogniser.labels(transcriber.name).set(1)
        self._guards = Guards()
        self._languages = RoomLanguages(asr.languages)
        self._overlaps = Overlaps()
        self._pool = ThreadPoolExecutor(asr.workers or cores(), thread_name_prefix="triage")
        shared()  # load the detector once, before several threads ask for it at the same time

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        opened = list(self._pool.map(self._open, batch))
        clips = [clip for clip in opened if isinstance(clip, Clip)]
        recognitions = iter(self._recognise(clips) if clips else [])
        return [
            self._transcript(utterance, clip, next(recognitions)) if isinstance(clip, Clip) else clip
            for utterance, clip in zip(batch, opened, strict=True)
        ]

    def close(self) -> None:
        self._pool.shutdown()

    def _recognise(self, clips: Sequence[Clip]) -> list[Recognition]:
        began = time.monotonic()
        recognitions = self._transcriber.transcribe(clips, words=self._asr.words)
        self._metrics.recogniser_busy_seconds.inc(time.monotonic() - began)
        self._metrics.recognised_seconds.inc(sum(len(clip.samples) for clip in clips) / SAMPLE_RATE)
        return recognitions

    def _open(self, utterance: Utterance) -> Clip | Transcript | Rejected:
        """The clip to transcribe; a transcript without text if there is no speech; `Rejected` for invalid audio."""
        samples = _samples(utterance)
        if isinstance(samples, Rejected):
            return samples
        found = triage(samples)
        if found.reason is None:
            choose = self._languages.chooser(utterance.room, voiced=found.voice >= VOICED)
            return Clip(samples, self._asr.language, choose, found.voice)
        return self._no_speech(utterance, found.reason, found.voice)

    def _no_speech(self, utterance: Utterance, reason: Reason, voice: float) -> Transcript:
        self._metrics.triaged.labels(reason).inc()
        return wordless(utterance, no_speech=1 - voice, marks=("no_speech",), model=GATE)

    def _transcript(self, utterance: Utterance, clip: Clip, recognition: Recognition) -> Transcript:
        if clip.voice < VOICED and not is_sure(recognition):
            return self._no_speech(utterance, "no_voice", clip.voice)
        marks = self._guards.marks(recognition)
        others = _alternatives(recognition, self._overlaps.before(utterance), utterance.overlap)
        text = self._overlaps.trim(utterance, collapse(recognition.text))
        words = () if "repetition" in marks else words_left(_words(utterance.start, recognition), text)
        self._metrics.transcripts.labels(recognition.language).inc()
        for mark in marks:
            self._metrics.marked.labels(mark).inc()
        return transcript_of(
            utterance,
            text=text,
            language=recognition.language,
            confidence=_unit(math.exp(recognition.avg_logprob)),
            no_speech=_unit(recognition.no_speech),
            marks=marks,
            words=words,
            alternatives=others,
            model=self._transcriber.name,
        )


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
    """The alternative texts, without the words that `before` has already. Otherwise the judge would read them twice."""
    best = recognition.alternatives[:MAX_ALTERNATIVES]
    texts = (without_repeat(before, collapse(other.text), overlap) for other in best)
    return tuple(Alternative(text, other.avg_logprob) for text, other in zip(texts, best, strict=True))


def _unit(value: float) -> float:
    """Limit a probability to 0 to 1, because of rounding errors. Models without a no-speech token give NaN, here 0."""
    return 0.0 if math.isnan(value) else min(max(value, 0.0), 1.0)
