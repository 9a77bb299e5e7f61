"""From a model's own labels to ours, by a YAML that gives each of them one of ours, several, or null for harmless."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from pipeline import yamlfiles
from pipeline.errors import ConfigError
from pipeline.judge import labels
from pipeline.judge.calibration import Calibrated, Numbers

RISK = "risk"

Outputs = Mapping[str, Sequence[str]]
"""Their label → ours."""


class MappedClassifier:
    """A `Classifier` over any model with labels of its own."""

    def __init__(self, model: Calibrated, outputs: Outputs) -> None:
        self.name = model.name
        ours = dict.fromkeys(label for found in outputs.values() for label in found)
        self.labels = tuple(label for label in ours if label != RISK)
        self._model = model
        self._columns = {
            label: [at for at, theirs in enumerate(model.labels) if label in outputs[theirs]] for label in ours
        }
        if RISK not in ours:
            self._columns[RISK] = [at for at, theirs in enumerate(model.labels) if outputs[theirs]]

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        """One of our labels that several of theirs map to has their sum if they exclude each other, else the highest.

        `risk` is the model's own if it has such a label, else made in the same way of all that are not harmless.
        """
        del languages
        table = self._model.probabilities(texts)
        scores = {label: self._joined(table[:, columns]) for label, columns in self._columns.items()}
        return [{label: float(column[at]) for label, column in scores.items()} for at in range(len(texts))]

    def _joined(self, columns: Numbers) -> Numbers:
        joined: Numbers = columns.sum(axis=1) if self._model.exclusive else columns.max(axis=1)
        return joined.clip(0, 1)


def load(path: Path | None, theirs: Sequence[str], source: str, known: Path | None = None) -> Outputs:
    """Read the map at `path` (None: their labels are ours) and check it against the model's labels and ours."""
    outputs = _read(path) if path else {label: (label,) for label in theirs}
    if missing := [label for label in theirs if label not in outputs]:
        raise ConfigError(f"{path}: no line for {', '.join(missing)} of {source}", "Map each to a label, or to null.")
    ours = labels.load(known).labels
    if strange := [label for found in outputs.values() for label in found if label not in ours and label != RISK]:
        raise ConfigError(
            f"{path or source}: unknown label {', '.join(strange)}",
            f"Set judge.label_map to a YAML that maps the labels of {source} to: {', '.join(ours)}, or null.",
        )
    if not any(outputs[label] for label in theirs):
        raise ConfigError(f"{path}: every label maps to null", "Map one at least to a label.")
    return outputs


def _read(path: Path) -> Outputs:
    try:
        lines = msgspec.convert(yamlfiles.read(path) or {}, dict[str, str | list[str] | None])
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"judge.label_map: {path}: {error}", "A line is `their label: our label`, or null."
        ) from error
    return {theirs: (ours,) if isinstance(ours, str) else tuple(ours or ()) for theirs, ours in lines.items()}
