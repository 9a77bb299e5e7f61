"""The speech recogniser: what the transcribe stage asks of it, and the engines that can be one.

On a GPU, PyTorch runs openai-whisper's model. On the CPU, CTranslate2 runs the same weights in 8 bits.
To use another recogniser, write a module with `load_engine`, and name it in `ENGINES` and in `asr.engine`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from threading import Condition
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.base.compute_device import CPU, find_device
from pipeline.base.cpu_cores import is_back
from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require
from pipeline.base.shared_models import SharedModels
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.settings import Asr

Samples = NDArray[np.float32]
"""16 kHz mono audio, shape (samples,), from -1 to 1."""

MAX_SECONDS = 30.0
"""The longest clip that Whisper can process at once."""

MAX_SAMPLES = int(MAX_SECONDS * SAMPLE_RATE)

AdapterUse = Literal["none", "read", "skipped"]
"""What became of the adapter's reading of a clip. `none`: the language has no adapter, or the clip is too long."""

HasRoom = Callable[[], bool]
"""A function that says whether the recogniser has room for readings that only the judge needs. Any thread calls it."""


def always_room() -> bool:
    return True


LanguageChoice = Callable[[Mapping[str, float]], str]
"""A function that selects a language from the recogniser's probability of each language."""


def most_likely(probabilities: Mapping[str, float], only: Collection[str] = ()) -> str:
    """The language with the highest probability; of those in `only`, if there are any."""
    return max(only or probabilities, key=lambda language: probabilities.get(language, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One utterance to transcribe, of at most 30 s."""

    samples: Samples
    language: str | None = None
    """ISO 639-1 code. None: the recogniser detects the language, and `choose` selects it."""
    choose: LanguageChoice = most_likely
    only: frozenset[str] = frozenset()
    """A clip for which `choose` selects another language than these is not decoded. Empty: all are decoded."""
    voice: float = 1.0
    """The result of triage: the highest mean speech probability of a stretch."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word. Its times are seconds from the start of the clip."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Reading:
    """An alternative text for the clip, with its mean log-probability per token."""

    text: str
    avg_logprob: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """The result for one clip."""

    text: str
    """Empty for a clip that was not decoded."""
    language: str
    language_probability: float
    """The recogniser's probability, without the room's prior. 1 if the language was given."""
    avg_logprob: float
    """Mean log-probability per token."""
    no_speech: float
    """Probability that nobody spoke."""
    compression_ratio: float
    """Bytes of the text divided by its zlib size. It is high for repetitive text."""
    words: tuple[TimedWord, ...] = ()
    alternatives: tuple[Reading, ...] = ()
    adapter: AdapterUse = "none"


class Recogniser(Protocol):
    """A speech recogniser with its model in memory. Several threads may use it at the same time."""

    @property
    def name(self) -> str:
        """Engine, model and the first eight digits of the weights' SHA-256, e.g. `openai-whisper/base@905e5bf8`."""

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        """Transcribe `clips`. Results are in order, and the result of a clip does not depend on the other clips.

        `words` requests word times. Without room, a clip may have fewer alternatives, but it has the same text.
        Raises ValueError for a clip of more than 30 s, and DependencyError if the device is out of memory.
        """


PATIENCE_SECONDS = 10.0
"""Seconds for which a clip waits at most while others transcribe, so that recordings beside busy rooms end, too."""


class SharedRecogniser:
    """A recogniser for the threads of a process. They use it at the same time.

    But a thread that has stepped back, as the one for recordings beside live rooms, transcribes clip by clip, each when
    no other thread transcribes.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self.name = recogniser.name
        self._recogniser = recogniser
        self._changed = Condition()
        self._first = 0  # calls of threads that have not stepped back

    def transcribe(
        self, clips: Sequence[Clip], *, words: bool = False, has_room: HasRoom = always_room
    ) -> list[Recognition]:
        """See `Recogniser`."""
        work = partial(self._recogniser.transcribe, words=words, has_room=has_room)
        if is_back():
            return [found for clip in clips for found in self._behind(partial(work, [clip]))]
        with self._going_first():
            return work(clips)

    def _behind(self, work: Callable[[], list[Recognition]]) -> list[Recognition]:
        with self._changed:
            self._changed.wait_for(lambda: not self._first, PATIENCE_SECONDS)
        return work()

    @contextmanager
    def _going_first(self) -> Iterator[None]:
        with self._changed:
            self._first += 1
        try:
            yield
        finally:
            with self._changed:
                self._first -= 1
                self._changed.notify_all()


ENGINES = {
    "ctranslate2": "pipeline.speech.asr.ctranslate2_engine",
    "openai-whisper": "pipeline.speech.asr.openai_whisper_engine",
}
"""Modules with a function `load_engine(Asr) -> Recogniser`. Only the selected one is imported, with its runtime."""

_shelf: SharedModels[Recogniser] = SharedModels()  # all stages of a process share the weights


def load_recogniser(asr: Asr) -> Recogniser:
    """Load the engine for these settings, with its weights. Callers with the same settings share it.

    Raises WeightsMissing, WeightsCorrupt, or ConfigError, for example if the engine is not installed.
    """
    asr = placed(asr)
    require(asr.engine, f"asr.engine: {asr.engine}")
    load = partial(import_module(ENGINES[asr.engine]).load_engine, asr)
    return _shelf.get(asr.model_dump_json(), lambda: SharedRecogniser(load()))


def check_languages(asr: Asr, knows: Callable[[str], bool], *, multilingual: bool) -> None:
    """Raise ConfigError if a language in the settings is unknown to Whisper or to this model."""
    named = {
        "asr.language": (asr.language,) if asr.language else (),
        "asr.languages": asr.languages if multilingual else (),  # an English model detects no language
    }
    for key, codes in named.items():
        if strange := [code for code in codes if not knows(code)]:
            raise ConfigError(f"{key}: Whisper does not know {strange[0]!r}", "Use ISO 639-1 codes, e.g. en or zh.")
    if asr.language not in {None, "en"} and not multilingual:
        raise ConfigError(
            f"asr.language: {asr.model} knows only English, not {asr.language!r}", "Use a model without .en."
        )


def placed(asr: Asr) -> Asr:
    """`asr` with its device and its engine on this machine. The device decides the engine, if it is `auto`.

    Raises ConfigError for a device that cannot be used.
    """
    if asr.engine == "ctranslate2":
        if asr.device not in {CPU, "auto"}:
            raise ConfigError(
                f"asr.engine: ctranslate2 runs on the CPU, not on {asr.device}", "Set asr.engine=auto, or delete it."
            )
        return asr.model_copy(update={"device": CPU})
    device = find_device(asr.device)
    engine = "ctranslate2" if asr.engine == "auto" and device == CPU else "openai-whisper"
    return asr.model_copy(update={"device": device, "engine": engine})
