"""The interface between the judge and a text classifier, and the functions that load one.

A model of the Hugging Face hub needs a commit in its id, because the files under a name can change.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Protocol

import msgspec

from pipeline.base.compute_device import CPU, find_device
from pipeline.base.cpu_cores import is_back
from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require
from pipeline.base.shared_models import SharedModels
from pipeline.settings import JudgeSettings

if TYPE_CHECKING:
    from pipeline.judge.model_outputs import Calibrated

ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
LATEST = "main"
"""The version of a local folder, which has no commits."""
COMMIT = re.compile(r"[0-9a-f]{40}")
SHIPPED = Path(__file__).parent / "model"
"""The folder of the shipped model. Its README.md is the model card."""


class Classifier(Protocol):
    """Gives each text a calibrated probability for each label, and one for `risk`: that one or more apply."""

    name: str
    """Name and version of the model, as written in every flag."""
    labels: tuple[str, ...]
    context: bool
    """Whether it was trained to read an utterance with the speech before it."""

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        """One dict of scores for each text, in order. `languages` has one ISO 639-1 code for each text.

        The texts are written by `classifier_text.with_context`.
        """


SLICE = 400
"""Characters that a thread that has stepped back reads at once: a window, or several short texts."""


class SharedClassifier:
    """A classifier that several threads may use. One of them works at a time.

    A thread that has stepped back, as the one for texts beside live rooms, reads slice by slice. All others go first.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.name = classifier.name
        self.labels = classifier.labels
        self.context = classifier.context
        self._classifier = classifier
        self._changed = Condition()
        self._is_busy = False
        self._first = 0  # threads that wait and have not stepped back

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        if not is_back():
            return self._classify(texts, languages)
        return [scores for part in slices(texts, SLICE) for scores in self._classify(texts[part], languages[part])]

    def _classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        # A classifier need not be safe between threads, and one call can use all cores.
        with self._turn():
            return self._classifier.classify(texts, languages)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        back = is_back()
        with self._changed:
            self._first += not back
            self._changed.wait_for(lambda: not (self._is_busy or (back and self._first)))
            self._first -= not back
            self._is_busy = True
        try:
            yield
        finally:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()


def slices(texts: Sequence[str], most: int) -> Iterator[slice]:
    """Parts of `texts`, each with `most` characters or a single text."""
    begin, size = 0, 0
    for place, text in enumerate(texts):
        if place > begin and size + len(text) > most:
            yield slice(begin, place)
            begin, size = place, 0
        size += len(text)
    if begin < len(texts):
        yield slice(begin, len(texts))


_shelf: SharedModels[SharedClassifier] = SharedModels()


def load_classifier(settings: JudgeSettings, threads: int | None = None) -> Classifier:
    """The classifier that `settings.model` names, or the shipped one. Callers with the same arguments share it.

    On the CPU, an ONNX model has `threads` threads. None: one for each core, or the GPU if there is one.
    Raises ConfigError or DependencyError.
    """
    return _shelf.get(f"{threads} {settings.model_dump_json()}", lambda: SharedClassifier(_mapped(settings, threads)))


def _mapped(settings: JudgeSettings, threads: int | None) -> Classifier:
    from pipeline.judge import model_outputs

    source = settings.model or str(SHIPPED)
    model = load_model(source, threads)
    outputs = model_outputs.load_label_map(settings.label_map, model.labels, source, settings.labels)
    return model_outputs.MappedClassifier(model, outputs)


def languages_of(folder: Path) -> frozenset[str] | None:
    """The languages that the model in `folder` was trained for: the ones in its `thresholds.json`. None: no such file.

    Models of others have none.
    """
    try:
        thresholds = msgspec.json.decode((folder / "thresholds.json").read_bytes(), type=dict[str, dict[str, object]])
    except FileNotFoundError:
        return None
    # The file has a threshold for each language of each label.
    return frozenset().union(*thresholds.values())


def load_model(source: str, threads: int | None = None) -> "Calibrated":
    """Loads an ONNX folder, or a `transformers` model from a folder or the hub. The model keeps its own labels.

    Raises ConfigError if there is no model, or if it needs `transformers` and the package is not installed.
    """
    from pipeline.judge import model_outputs, onnx_classifier, pinyin_model

    folder = Path(source)
    if (folder / onnx_classifier.MODEL).is_file():
        encoder, by_sound = _encoder(folder, threads), pinyin_model.load_pinyin_model(folder)
        if by_sound is None:
            return encoder
        return pinyin_model.EncoderWithPinyin(encoder, by_sound, model_outputs.load_calibration(folder))
    if not is_id(source) and not (folder / "config.json").is_file():
        raise ConfigError(
            f"judge.model: no model at {source}",
            "Name a folder with a config.json, or a hub id, owner/name@commit.",
        )
    require("transformers", f"judge.model: {source}")
    # PyTorch takes seconds to import, so only a model that needs it imports it.
    from pipeline.judge import transformers_model

    return transformers_model.load_transformer(source)


def _encoder(folder: Path, threads: int | None) -> "Calibrated":
    """The model of an ONNX folder: on a GPU in `transformers`, else on `threads` threads of the CPU."""
    from pipeline.judge import onnx_classifier

    # A caller with few threads must not disturb others, so it leaves the GPU alone, too.
    if threads is None and (device := find_device("auto")) != CPU:
        from pipeline.judge.onnx_weights import load_converted

        if converted := load_converted(folder, device):
            return converted
    return onnx_classifier.load_onnx(folder, threads)


def is_id(source: str) -> bool:
    """Whether `source` is `owner/name` or `owner/name@commit`, and not a local folder of that name."""
    return not Path(source).is_dir() and ID.fullmatch(source.partition("@")[0]) is not None


def commit_of(source: str, setting: str) -> tuple[str, str]:
    """Splits an id into `owner/name` and commit. Raises ConfigError, which names `setting`, if it has no commit."""
    name, _, commit = source.partition("@")
    if not COMMIT.fullmatch(commit):
        raise ConfigError(
            f"{setting}: there is no folder {source}, and a hub model needs a commit",
            f"Write {name}@COMMIT, with the 40 digits that the history of its files on the hub shows.",
        )
    return name, commit


def is_fetched(source: str, setting: str = "judge.model") -> bool:
    """Whether this machine's hub cache holds the model."""
    from huggingface_hub import try_to_load_from_cache

    name, commit = commit_of(source, setting)
    return isinstance(try_to_load_from_cache(name, "config.json", revision=commit), str)
