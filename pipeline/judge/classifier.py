"""The interface between the judge and a text classifier, and the function that loads one."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import msgspec

from pipeline.base.errors import ConfigError
from pipeline.base.libraries import require
from pipeline.base.shared_models import SharedModels
from pipeline.settings import JudgeSettings

if TYPE_CHECKING:
    from pipeline.judge.calibration import Calibrated

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

        The texts are written by `turns.joined`.
        """


class SharedClassifier:
    """A classifier that several threads may use. One of them works at a time."""

    def __init__(self, classifier: Classifier) -> None:
        self.name = classifier.name
        self.labels = classifier.labels
        self.context = classifier.context
        self._classifier = classifier
        self._turn = Lock()

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        with self._turn:
            return self._classifier.classify(texts, languages)


_shelf: SharedModels[SharedClassifier] = SharedModels()


def load(settings: JudgeSettings) -> Classifier:
    """The classifier that `settings.model` names, or the shipped one. Callers with the same settings share it.

    Raises ConfigError or DependencyError.
    """
    return _shelf.get(settings.model_dump_json(), lambda: SharedClassifier(_mapped(settings)))


def _mapped(settings: JudgeSettings) -> Classifier:
    from pipeline.judge import mapping

    source = settings.model or str(SHIPPED)
    model = load_model(source, settings.threads)
    outputs = mapping.load(settings.label_map, model.labels, source, settings.labels)
    return mapping.MappedClassifier(model, outputs)


def languages_of(folder: Path) -> frozenset[str]:
    """The languages that the model in `folder` was trained for: those in its `thresholds.json`."""
    thresholds = msgspec.json.decode((folder / "thresholds.json").read_bytes(), type=dict[str, dict[str, object]])
    return frozenset().union(*thresholds.values())


def load_model(source: str, threads: int | None = None) -> "Calibrated":
    """Loads an ONNX folder, or a `transformers` model from a folder or the hub. The model keeps its own labels.

    Raises ConfigError if there is no model, or if it needs `transformers` and the package is not installed.
    """
    from pipeline.judge import calibration, mixed, onnx, sounds
    from pipeline.judge.hub import is_id

    folder = Path(source)
    if (folder / onnx.MODEL).is_file():
        encoder, by_sound = onnx.load(folder, threads), sounds.load(folder)
        return mixed.Mixed(encoder, by_sound, calibration.load(folder)) if by_sound else encoder
    if not is_id(source) and not (folder / "config.json").is_file():
        raise ConfigError(
            f"judge.model: no model at {source}",
            "Name a folder with a config.json, or a hub id, owner/name@commit.",
        )
    require("transformers", f"judge.model: {source}")
    # PyTorch takes seconds to import, so only a model that needs it imports it.
    from pipeline.judge import transformer

    return transformer.load(source)
