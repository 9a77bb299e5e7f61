"""The seam between the judge and whatever tells, from a text alone, what is wrong with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pipeline.settings import Judge

BASELINE = Path(__file__).parent / "baseline"
"""The shipped model; its README.md is its model card."""


class Classifier(Protocol):
    """Gives each text the calibrated probability of each label, and of `risk`: of any label at all."""

    name: str
    """Which model, with its version: it stands in every flag."""
    labels: tuple[str, ...]

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        """Scores in the order of `texts`; `languages` are ISO 639-1 codes, one a text."""


def load(settings: Judge) -> Classifier:
    """The classifier that `settings.model` names, or the shipped one; raises ConfigError or DependencyError."""
    # PyTorch takes seconds to import: what only needs the seam must not wait for it.
    from pipeline.judge import mapping, transformer

    source = settings.model or str(BASELINE)
    model = transformer.load(source)
    outputs = mapping.load(settings.label_map, model.labels, source, settings.labels)
    return mapping.MappedClassifier(model, outputs)
