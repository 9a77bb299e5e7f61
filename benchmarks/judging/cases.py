"""Labelled texts: held-out rows, HateCheck, pairs of text and transcript, ordinary talk, our own suites."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from pipeline.base.errors import ConfigError
from pipeline.contract.messages import Alternative
from pipeline.learning.training_rows import CLEAN, Row, part_of, positive
from training.classifier import sets
from training.classifier.files import plain
from training.classifier.sides import split

T = TypeVar("T")

SUITES = Path(__file__).parent.parent
"""`lookalikes.yaml`, `evasion.yaml`, `spoken.yaml`: our own sentences, never used in training."""
TALK: Mapping[str, str] = {"swda": "en", "mrda": "en", "cped": "zh", "kdconv": "zh"}
"""Ordinary talk. It is presumed to be clean; a few speakers are risky, in anger or in jest."""
HATECHECK: Mapping[str, str] = {"hatecheck": "en", "hatecheck_zh": "zh"}
PAIR = ("language", "label", "text", "heard")


@dataclass(frozen=True, slots=True)
class TextCase:
    text: str
    language: str
    labels: Mapping[str, float]
    """As in `Row`: 0 or 1. A missing label is unknown."""
    kind: str = ""
    """A set, a functionality, a kind of disguise, or the label that a clean sentence resembles."""
    confidence: float = 1.0
    """The recogniser's own confidence."""
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class CasePair:
    """A sentence as text, and as a recogniser heard it."""

    read: TextCase
    transcribed: TextCase


@dataclass(frozen=True, slots=True)
class Sides:
    """Rows that training does not use: those that set thresholds, and those for tests."""

    validation: list[TextCase]
    test: list[TextCase]


def held_out(data: Path) -> Sides:
    """The split of the training itself, without near-duplicates."""
    sides = split([*sets.read(data)])
    return Sides([*map(_case, sides["validation"])], [*map(_case, sides["test"])])


def hatecheck(data: Path) -> Iterator[TextCase]:
    """HateCheck (Röttger et al. 2021) and its Mandarin version (Röttger et al. 2022). `kind` is the functionality."""
    for name, language in HATECHECK.items():
        (file,) = (data / name).glob("*cases.csv")
        for row in _rows(file):
            labels = {"hate": float(row["label_gold"] == "hateful")}
            yield TextCase(row["test_case"], language, labels, row["functionality"])


def talk(data: Path) -> Iterator[TextCase]:
    """Ordinary talk that set no threshold. Of a training set, only the test side."""
    for name, language in TALK.items():
        if name in sets.SETS:
            rows = (row.text for row in sets.read(data, (name,)) if part_of(row) == "test")
        else:
            rows = (plain(row["text"]) for row in _rows(data / name / "rows.csv"))
        yield from (TextCase(text, language, CLEAN, name) for text in rows if text)


def lookalikes() -> Iterator[TextCase]:
    """Safe sentences that sound risky. `kind` is the label that they resemble."""
    for language, kinds in _suite("lookalikes", dict[str, dict[str, str]]).items():
        for kind, lines in kinds.items():
            yield from (TextCase(line, language, CLEAN, kind) for line in lines.splitlines())


def evasion() -> Iterator[TextCase]:
    """Disguised texts, and clean texts that resemble them. `kind` is the kind of disguise."""
    for language, kinds in _suite("evasion", dict[str, dict[str, dict[str, str]]]).items():
        for kind, labels in kinds.items():
            for label, lines in labels.items():
                yield from (TextCase(line, language, _labels(label), kind) for line in lines.splitlines())


def spoken() -> Iterator[TextCase]:
    """The sentences of the as-heard set, as text."""
    for language, labels in _suite("spoken", dict[str, dict[str, str]]).items():
        for label, lines in labels.items():
            yield from (TextCase(line, language, _labels(label), label) for line in lines.splitlines())


def transcribed(path: Path) -> Iterator[CasePair]:
    """Pairs from a TSV file, or from all TSV files of a folder; raises ConfigError.

    Columns `language`, `label` (or `clean`), `text`, `heard`. Optional are `confidence` and `alternatives`, a JSON list
    of {"text", "score"} with the recogniser's other readings.
    """
    files = sorted(path.glob("*.tsv")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"--heard: no .tsv file in {path}", "Name a file, or a folder with one.")
    for file in files:
        for number, row in enumerate(_rows(file, delimiter="\t"), 2):
            if missing := [column for column in PAIR if row.get(column) is None]:
                raise ConfigError(f"{file}: no column {', '.join(missing)}", f"The first line has {', '.join(PAIR)}.")
            try:
                yield _pair(row)
            except ValueError as error:  # a number or JSON that cannot be parsed
                raise ConfigError(f"{file}, line {number}: {error}", "Correct that line.") from error


def _pair(row: Mapping[str, str]) -> CasePair:
    labels, language = _labels(row["label"]), row["language"]
    others = msgspec.json.decode(row.get("alternatives") or "[]", type=tuple[Alternative, ...])
    confidence = float(row.get("confidence") or 1.0)
    return CasePair(
        TextCase(row["text"], language, labels), TextCase(row["heard"], language, labels, "", confidence, others)
    )


def _case(row: Row) -> TextCase:
    return TextCase(row.text, row.language, row.labels, row.source)


def _labels(label: str) -> Mapping[str, float]:
    """One label, or several joined by `+`. Other labels are unknown."""
    return CLEAN if label == "clean" else positive(*label.split("+"))


def _suite(name: str, form: type[T]) -> T:
    return msgspec.yaml.decode((SUITES / f"{name}.yaml").read_bytes(), type=form)


def _rows(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            yield from csv.DictReader(lines, delimiter=delimiter)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "Check --data and --heard.") from error
