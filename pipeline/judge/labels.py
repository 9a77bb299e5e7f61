"""The labels that a flag can carry, from `configs/labels.yaml`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, RootModel, model_validator

from pipeline.base.user_files import StrictModel, UserFileError, configs_folder, read_user_file
from pipeline.settings.speech import CODES
from pipeline.speech.languages import FALLBACK

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
"""The severities of ROOST's harm taxonomy, mildest first."""

Item = Annotated[str, Field(pattern=r"^(6\((?:[1-9]|10|11)\)|7\([1-9]\))$")]
"""An item of the law: article 6 has items 1 to 11, article 7 items 1 to 9."""


class LabelExamples(StrictModel):
    """Example sentences for moderators. The judge does not read them."""

    meant: tuple[str, ...] = ()
    not_meant: tuple[str, ...] = ()


class Meaning(RootModel[dict[str, str]]):
    """A definition, in English (`en`) and in other languages under their codes. A plain text is English."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {FALLBACK: value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if FALLBACK not in self.root:
            raise ValueError(f"the text in {FALLBACK} is missing")
        if unknown := self.root.keys() - CODES:
            raise ValueError(f"{min(unknown)} is no language code")
        return self

    def say(self, language: str) -> str:
        """Return the text in `language`, or else in English."""
        return self.root.get(language, self.root[FALLBACK])


class NamedEntry(StrictModel):
    """An entry with a name in English, and in other languages under their codes."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)  # names in other languages

    en: str

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check that every other key is a language code, so that a misspelt key is an error."""
        for key in self.__pydantic_extra__:
            if key not in CODES:
                raise ValueError(f"there is no key {key}, and it is no language code")
        return self

    def name(self, language: str) -> str:
        """The name in `language`, or else in English."""
        return self.__pydantic_extra__.get(language, self.en)


class Kind(NamedEntry):
    """A sub-label for moderators. `sets` names the training sets that annotate it, if any does."""

    sets: tuple[str, ...] = ()


class Elsewhere(StrictModel):
    """The closest labels of other systems, in their spelling; empty if there is none."""

    tencent: tuple[str, ...] = ()
    alibaba: tuple[str, ...] = ()
    yidun: tuple[Annotated[str, Field(pattern="^[0-9]{1,9}$")], ...] = ()
    shumei: tuple[str, ...] = ()
    openai: tuple[str, ...] = ()
    roost: tuple[str, ...] = ()


class Label(NamedEntry):
    """`law` lists items of articles 6 and 7 of 网络信息内容生态治理规定 (CAC Order 5, 2019)."""

    severity: Severity
    means: Meaning
    not_meant: Meaning
    law: tuple[Item, ...] = ()
    kinds: dict[str, Kind] = Field(default_factory=dict)
    elsewhere: Elsewhere = Elsewhere()
    examples: LabelExamples = LabelExamples()


class Labels(StrictModel):
    """All labels, by id."""

    labels: dict[str, Label] = Field(min_length=1)

    def severity(self, label: str) -> int:
        return SEVERITIES.index(self.labels[label].severity)

    def check(self, names: Iterable[str], where: str, key: tuple[str | int, ...] = ()) -> None:
        """Raise UserFileError for the first of `names` that is not a label.

        The error names `where`; `key` is the place in the file.
        """
        for name in names:
            if name not in self.labels:
                known = ", ".join(self.labels)
                raise UserFileError(
                    f"{where}: unknown label {name}",
                    f"Known labels: {known}.",
                    "unknown_label",
                    key,
                    label=name,
                    known=known,
                )


def load_labels(path: Path | None = None) -> Labels:
    """Read `path`, or the shipped `configs/labels.yaml`; raises ConfigError."""
    return read_user_file(path or configs_folder() / "labels.yaml", Labels)


def worst_first(scores: Mapping[str, float], labels: Labels) -> list[str]:
    """Labels sorted by severity, then by score, highest first."""
    # The id comes last, so that the order is always the same.
    return sorted(scores, key=lambda label: (-labels.severity(label), -scores[label], label))
