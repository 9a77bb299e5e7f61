"""Writes temperatures, so that scores are probabilities, and thresholds from the scores of ordinary talk."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.judge.classifier import load_model
from pipeline.judge.model_outputs import sigmoid
from pipeline.learning.decision_training import temperature
from pipeline.learning.fine_tuning import targets_of
from pipeline.learning.model_comparison import threshold_at
from pipeline.learning.model_export import CALIBRATION, THRESHOLDS, write_json
from pipeline.learning.training_rows import CLEAN, LABELS, OUTPUTS, RISK, Row
from training.classifier.noise import hearing
from training.classifier.sets import TALK

Numbers = NDArray[np.float64]
Thresholds = dict[str, dict[str, dict[str, float]]]

RATES: Mapping[str, float] = {"review": 0.01, "block": 0.001}
"""The share of ordinary talk that may reach a threshold of any label."""


def calibrate(folder: Path, validation: Sequence[Row], seed: int) -> Thresholds:
    """Write `calibration.json` and `thresholds.json`, from `validation` with recognition errors added."""
    (folder / CALIBRATION).unlink(missing_ok=True)
    hear = hearing([row.text for row in validation], seed)
    logits = load_model(str(folder)).logits([hear(row.text) for row in validation])
    truth, weights = (tensor.double().numpy() for tensor in targets_of(validation))
    temperatures = [temperature(*columns) for columns in zip(logits.T, truth.T, weights.T, strict=True)]
    write_json(folder / CALIBRATION, {"temperature": dict(zip(OUTPUTS, temperatures, strict=True))})

    talk = [at for at, row in enumerate(validation) if row.source in TALK and row.labels is CLEAN]
    found = thresholds([validation[at].language for at in talk], sigmoid(logits[talk] / temperatures))
    write_json(folder / THRESHOLDS, found)
    return found


def thresholds(languages: Sequence[str], table: Numbers, rates: Mapping[str, float] = RATES) -> Thresholds:
    """{label: {language: {"review": score, "block": score}}} from `table`, the scores of ordinary talk, (texts,
    outputs).

    All labels together flag the share that `rates` states. `risk` is not among them and has thresholds of its own.
    """
    found: Thresholds = {output: {} for output in OUTPUTS}
    risk = OUTPUTS.index(RISK)
    for language in sorted(set(languages)):
        scores = table[np.array(languages) == language]
        for name, rate in rates.items():
            limits = [*_joint(np.delete(scores, risk, axis=1), rate), threshold_at(scores[:, risk], rate)]
            for output, limit in zip((*LABELS, RISK), limits, strict=True):
                found[output].setdefault(language, {})[name] = min(limit, 1.0)
    return found


def _joint(table: Numbers, rate: float) -> list[float]:
    """A threshold for each column, with equal shares of false flags, so that `rate` of the rows reach any of them."""
    limits: list[float] = []
    for share in np.linspace(rate, 0, 51):
        limits = [threshold_at(column, float(share)) for column in table.T]
        if (table >= limits).any(axis=1).mean() <= rate:
            break
    return limits
