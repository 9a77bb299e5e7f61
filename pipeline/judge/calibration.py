"""Turns a model's logits into probabilities, with the temperatures of `calibration.json` in the model's folder."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import ConfigError

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
    powers: Numbers = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
