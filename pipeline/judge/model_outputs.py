"""Turns a model's logits into probabilities of our labels.

`calibration.json` in the model's folder has the temperatures. A YAML file maps each label of the model to one of our
labels, to several, or to null for harmless.

The line `"*": null` maps all labels without a line. Then each other line must be a label of the model, so that a
spelling mistake does not make a label harmless.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.judge import labels

Numbers = NDArray[np.float64]


class Calibration(msgspec.Struct, forbid_unknown_fields=True):
    """Each label's logits are divided by its temperature (Guo et al. 2017). The default temperature is 1."""

    temperature: dict[str, float] = {}


class Calibrated(ABC):
    """A model that gives each text a logit for each of its own labels; subclasses compute the logits."""

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        calibration: Calibration,
        exclusive: bool = False,
        context: bool = False,
    ) -> None:
        self.name = name
        """Name and version of the model."""
        self.labels = tuple(labels)
        self.exclusive = exclusive
        """Exactly one label applies, so the probabilities of a text add up to 1."""
        self.context = context
        """Whether it was trained to read an utterance with the speech before it."""
        self._temperature = np.array([calibration.temperature.get(label, 1.0) for label in self.labels])

    def probabilities(self, texts: Sequence[str]) -> Numbers:
        """Calibrated probabilities, shape (texts, labels)."""
        logits = self.logits(texts) / self._temperature
        return softmax(logits) if self.exclusive else sigmoid(logits)

    @abstractmethod
    def logits(self, texts: Sequence[str]) -> Numbers:
        """Uncalibrated logits, shape (texts, labels)."""


def load_calibration(folder: Path) -> Calibration:
    """The calibration in `folder`, or the default one if there is no file; raises ConfigError for a broken file."""
    path = folder / "calibration.json"
    if not path.is_file():
        return Calibration()
    try:
        calibration = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}", 'The file must hold {"temperature": {label: number}}.') from error
    if wrong := [label for label, value in calibration.temperature.items() if value <= 0]:
        raise ConfigError(f"{path}: the temperature of {wrong[0]} is not above 0", "Train or calibrate again.")
    return calibration


def sigmoid(logits: Numbers) -> Numbers:
    with np.errstate(over="ignore"):  # infinity leads to 0, which is right
        powers: Numbers = 1 / (1 + np.exp(-logits))
    return powers


def softmax(logits: Numbers) -> Numbers:
    # Without the maximum, `exp` could overflow. The quotient is the same.
    powers: Numbers = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


RISK = "risk"
OTHERS = "*"
"""The line for all labels that have none."""

Outputs = Mapping[str, Sequence[str]]
"""Maps each of the model's labels to labels of ours."""
Lines = dict[str, Sequence[str]]
"""The lines of a map."""


class MappedClassifier:
    """A `Classifier` over a model that has its own labels."""

    def __init__(self, model: Calibrated, outputs: Outputs) -> None:
        self.name = model.name
        self.context = model.context
        ours = dict.fromkeys(label for found in outputs.values() for label in found)
        self.labels = tuple(label for label in ours if label != RISK)
        self._model = model
        self._columns = {
            label: [at for at, theirs in enumerate(model.labels) if label in outputs[theirs]] for label in ours
        }
        if RISK not in ours:
            self._columns[RISK] = [at for at, theirs in enumerate(model.labels) if outputs[theirs]]

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        """Scores by our labels.

        If several of the model's labels map to one of ours, it gets their sum if they exclude each other, else the
        highest. `risk` is the model's own `risk` if it has one. Otherwise it is computed the same way from all labels
        that are not harmless.
        """
        del languages  # the model reads all languages alike
        table = self._model.probabilities(texts)
        scores = {label: self._joined(table[:, columns]) for label, columns in self._columns.items()}
        return [{label: float(column[at]) for label, column in scores.items()} for at in range(len(texts))]

    def _joined(self, columns: Numbers) -> Numbers:
        joined: Numbers = columns.sum(axis=1) if self._model.exclusive else columns.max(axis=1)
        return joined.clip(0, 1)  # rounding may exceed 1


def load_label_map(
    path: Path | None, theirs: Sequence[str], source: str, known: Path | None = None, setting: str = "judge.label_map"
) -> Outputs:
    """Read the map at `path` and check it against the model's labels and ours. Raises ConfigError with the `setting`.

    Without a path, the model's labels must be ours. Lines for labels that the model does not have are left out, unless
    there is a line for all others.
    """
    outputs: Lines = _read(path, setting) if path else {label: (label,) for label in theirs}
    if OTHERS in outputs:
        outputs = _filled(outputs, theirs, f"{path}", source)
    if missing := [label for label in theirs if label not in outputs]:
        raise ConfigError(f"{path}: no line for {', '.join(missing)} of {source}", "Map each to a label, or to null.")
    ours = labels.load_labels(known).labels
    if strange := [label for found in outputs.values() for label in found if label not in ours and label != RISK]:
        raise ConfigError(
            f"{path or source}: unknown label {', '.join(strange)}",
            f"Set {setting} to a YAML that maps the labels of {source} to: {', '.join(ours)}, or null.",
        )
    if not any(outputs[label] for label in theirs):
        raise ConfigError(f"{path}: every label maps to null", "Map at least one to a label.")
    return {label: outputs[label] for label in theirs}


def named(path: Path, setting: str) -> set[str]:
    """Return the labels of ours that the map at `path` names. Raises ConfigError with the `setting`."""
    return {label for found in _read(path, setting).values() for label in found}


def _filled(outputs: Lines, theirs: Sequence[str], path: str, source: str) -> Lines:
    others = outputs.pop(OTHERS)
    if strange := [label for label in outputs if label not in theirs]:
        near = get_close_matches(strange[0], theirs, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{path}: {source} has no label {', '.join(map(repr, strange))}", f"Mind capitals.{hint}")
    return dict.fromkeys(theirs, others) | outputs


def _read(path: Path, setting: str) -> Lines:
    try:
        lines = msgspec.convert(yaml_reading.read_yaml(path) or {}, dict[str, str | list[str] | None])
    except msgspec.ValidationError as error:
        raise ConfigError(f"{setting}: {path}: {error}", "Each line is `model's label: our label`, or null.") from error
    return {theirs: (ours,) if isinstance(ours, str) else tuple(ours or ()) for theirs, ours in lines.items()}
