"""The labels that a verdict can carry, as `configs/labels.yaml` defines them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from pipeline.errors import ConfigError
from pipeline.judge.files import Sheet, read
from pipeline.settings import configs_folder

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""The words of ROOST's harm taxonomy, mildest first."""


class Examples(Sheet):
    """Sentences for people; the judge does not read them."""

    meant: tuple[str, ...] = ()
    not_meant: tuple[str, ...] = ()


class Label(Sheet):
    en: str
    zh: str
    severity: Severity
    means: str
    not_meant: str
    examples: Examples = Examples()


class Labels(Sheet):
    """Every label by its id."""

    labels: dict[str, Label] = Field(min_length=1)

    def severity(self, label: str) -> int:
        return SEVERITIES.index(self.labels[label].severity)

    def check(self, names: Iterable[str], where: str) -> None:
        """Raise ConfigError for the first of `names` that is not a label; `where` says who names it."""
        for name in names:
            if name not in self.labels:
                raise ConfigError(f"{where}: unknown label {name}", f"Known labels: {', '.join(self.labels)}.")


def load(path: Path | None = None) -> Labels:
    """Read `path`, or the shipped `configs/labels.yaml`; raises ConfigError."""
    return read(path or configs_folder() / "labels.yaml", Labels)


def worst_first(scores: Mapping[str, float], labels: Labels) -> list[str]:
    """Labels by severity, then by score."""
    return sorted(scores, key=lambda label: (-labels.severity(label), -scores[label], label))
