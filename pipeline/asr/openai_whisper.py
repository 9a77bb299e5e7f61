"""The `openai-whisper` engine: PyTorch, on CPU (float32) or CUDA (float16)."""

import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, N_FRAMES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingResult
from whisper.model import Whisper
from whisper.tokenizer import LANGUAGES

from pipeline.asr import weights
from pipeline.asr.batch_decoding import decode, tokenizer_of
from pipeline.asr.checkpoint import model_of
from pipeline.asr.fallback import attempts
from pipeline.asr.transcriber import MAX_SAMPLES, Clip, Reading, Recognition, TimedWord, Transcriber
from pipeline.asr.word_times import words_of
from pipeline.errors import ConfigError, DependencyError
from pipeline.messages import SAMPLE_RATE
from pipeline.settings import Asr


def load(asr: Asr) -> Transcriber:
    """Find and load the weights, and warm the model up."""
    found = weights.find(asr)
    _use_all_cores()
    model = model_of(found, device_of(asr.device))
    _check_language(asr, model)
    engine = OpenAIWhisper(model, f"openai-whisper/{found.name}@{found.sha256[:8]}")
    engine.transcribe([Clip(np.zeros(SAMPLE_RATE, np.float32), asr.language)])
    return engine


def device_of(name: str) -> str:
    """`auto` is CUDA where there is one; raises ConfigError for a device that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"asr.device: there is no {name!r} here", "Set cpu, cuda, cuda:1 or auto.") from error
    return name


class OpenAIWhisper:
    """A Transcriber. Every clip is padded to 30 s, as Whisper was trained."""

    def __init__(self, model: Whisper, name: str) -> None:
        self._model = model
        self._name = name
        self._dtype = torch.float16 if model.device.type == "cuda" else torch.float32

    @property
    def name(self) -> str:
        return self._name

    def transcribe(self, clips: Sequence[Clip], *, words: bool = False) -> list[Recognition]:
        if not clips:
            return []
        try:
            with torch.inference_mode():
                return self._transcribe(clips, words=words)
        except torch.OutOfMemoryError as error:
            raise DependencyError(
                "The device is out of memory", "Lower asr.batch, or choose a smaller model."
            ) from error

    def _transcribe(self, clips: Sequence[Clip], *, words: bool) -> list[Recognition]:
        mels = torch.stack([self._mel(clip) for clip in clips])
        features = self._model.encoder(mels)
        heard = self._languages(features, clips)
        languages = [clip.language or clip.tell(told) for clip, told in zip(clips, heard, strict=True)]
        seconds = [len(clip.samples) / SAMPLE_RATE for clip in clips]
        recognitions = []
        for i, first in enumerate(decode(self._model, features, languages, seconds)):
            best, *others = attempts(self._model, features[i], first, seconds[i])
            timed = words_of(self._model, mels[i], best, seconds[i]) if words else ()
            recognitions.append(_recognition(best, others, heard[i].get(best.language, 1.0), timed))
        return recognitions

    def _mel(self, clip: Clip) -> Tensor:
        """Shape (bands, 3,000). Each alone, because its loudest bin sets the floor; padded as `transcribe()` pads."""
        if len(clip.samples) > MAX_SAMPLES:
            raise ValueError(f"a clip of {len(clip.samples)} samples, more than {MAX_SAMPLES}")
        mel = log_mel_spectrogram(clip.samples, self._model.dims.n_mels, padding=N_FFT, device=self._model.device)
        padded: Tensor = pad_or_trim(mel[:, : len(clip.samples) // HOP_LENGTH], N_FRAMES)
        return padded.to(self._dtype)

    def _languages(self, features: Tensor, clips: Sequence[Clip]) -> list[dict[str, float]]:
        """What the encoder's output says of each clip's language; empty where nobody asks."""
        if not self._model.is_multilingual:
            return [{"en": 1.0} for _ in clips]
        asked = [i for i, clip in enumerate(clips) if clip.language is None]
        told: list[dict[str, float]] = [{} for _ in clips]
        if asked:
            _, probabilities = self._model.detect_language(features[asked], tokenizer_of(self._model))
            for i, found in zip(asked, probabilities, strict=True):
                told[i] = found
        return told


def _recognition(
    best: DecodingResult, others: Sequence[DecodingResult], language_probability: float, words: tuple[TimedWord, ...]
) -> Recognition:
    return Recognition(
        text=best.text,
        language=best.language,
        language_probability=language_probability,
        avg_logprob=float(best.avg_logprob),
        no_speech=float(best.no_speech_prob),
        compression_ratio=best.compression_ratio,
        words=words,
        alternatives=tuple(Reading(other.text, float(other.avg_logprob)) for other in others),
    )


def _check_language(asr: Asr, model: Whisper) -> None:
    if asr.language and asr.language not in LANGUAGES:
        raise ConfigError(f"asr.language: Whisper knows no {asr.language!r}", "Give an ISO 639-1 code, e.g. en or zh.")
    if asr.language not in {None, "en"} and not model.is_multilingual:
        raise ConfigError(
            f"asr.language: {asr.model} knows English alone, not {asr.language!r}", "Choose a model without .en."
        )


def _use_all_cores() -> None:
    """All that this process may run on: PyTorch counts the machine's, which in a container are not ours."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
