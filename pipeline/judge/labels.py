"""The labels that a verdict can carry, as `configs/labels.yaml` defines them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.errors import ConfigError
from pipeline.judge.files import Sheet, read
from pipeline.settings import configs_folder

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""The words of ROOST's harm taxonomy, mildest first."""

Item = Annotated[str, Field(pattern=r"^(6\((?:[1-9]|10|11)\)|7\([1-9]\))$")]
"""An item of the law: article 6 has eleven, article 7 nine."""


class LabelExamples(Sheet):
    """Sentences for people; the judge does not read them."""

    meant: tuple[str, ...] = ()
    not_meant: tuple[str, ...] = ()


class Kind(Sheet):
    """A finer label, for people. `sets` are the training sets whose annotators used it; none for some."""

    en: str
    zh: str
    sets: tuple[str, ...] = ()


class Elsewhere(Sheet):
    """The nearest labels of other systems, as those spell them; empty where they have none."""

    tencent: tuple[str, ...] = ()
    alibaba: tuple[str, ...] = ()
    yidun: tuple[str, ...] = ()
    shumei: tuple[str, ...] = ()
    openai: tuple[str, ...] = ()
    roost: tuple[str, ...] = ()


class Label(Sheet):
    """`law` holds items of art. 6 and 7 of 网络信息内容生态治理规定 (CAC Order 5, 2019)."""

    en: str
    zh: str
    severity: Severity
    means: str
    not_meant: str
    law: tuple[Item, ...] = ()
    kinds: dict[str, Kind] = Field(default_factory=dict)
    elsewhere: Elsewhere = Elsewhere()
    examples: LabelExamples = LabelExamples()


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
