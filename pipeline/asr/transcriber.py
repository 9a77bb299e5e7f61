"""The seam between the transcribe stage and a speech recogniser."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.libraries import require
from pipeline.messages import SAMPLE_RATE
from pipeline.settings import Asr

Samples = NDArray[np.float32]
"""16 kHz mono, shape (samples,), full scale 1."""

MAX_SECONDS = 30.0
"""What Whisper hears at once."""

MAX_SAMPLES = int(MAX_SECONDS * SAMPLE_RATE)

Tell = Callable[[Mapping[str, float]], str]
"""Picks a language from the recogniser's probability for each."""


def most_likely(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=lambda language: probabilities[language])


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One utterance to recognise, of at most 30 s."""

    samples: Samples
    language: str | None = None
    """ISO 639-1; None: heard from the audio, and picked by `tell`."""
    tell: Tell = most_likely
    voice: float = 1.0
    """As triage found it: the speech probability of its surest stretch."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """Seconds from the start of the clip."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Another text that the recogniser found for the clip, and its mean log-probability a token."""

    text: str
    avg_logprob: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was heard in one clip."""

    text: str
    language: str
    language_probability: float
    """The recogniser's own, before any prior; 1 where the language was given."""
    avg_logprob: float
    """Mean log-probability a token."""
    no_speech: float
    """Probability that nobody spoke."""
    compression_ratio: float
    """Bytes of the text against its zlib size: high for loops."""
    words: tuple[TimedWord, ...] = ()
    alternatives: tuple[Reading, ...] = ()


class Transcriber(Protocol):
    """A speech recogniser with its model in memory, used by one thread at a time."""

    @property
    def name(self) -> str:
        """Engine, model and first eight digits of the weights' SHA-256, e.g. `openai-whisper/base@905e5bf8`."""

    def transcribe(self, clips: Sequence[Clip], *, words: bool = False) -> list[Recognition]:
        """Recognise `clips`, in order; what is heard in one does not depend on the others.

        `words` asks for word times. Raises DependencyError if the device is out of memory.
        """


ENGINES = {"ctranslate2": "pipeline.asr.ct2_engine", "openai-whisper": "pipeline.asr.openai_whisper"}
"""Modules with a `load(Asr) -> Transcriber`, imported only when chosen: each brings its own runtime."""


def load(asr: Asr) -> Transcriber:
    """The engine that the settings choose, with its weights loaded.

    Raises WeightsMissing, WeightsCorrupt, or ConfigError, which also names an engine that is not installed.
    """
    require(asr.engine, f"asr.engine: {asr.engine}")
    transcriber: Transcriber = import_module(ENGINES[asr.engine]).load(asr)
    return transcriber
