"""Which lines are spoken for each set of heard texts. Their order and choice come from hashes of the texts."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pipeline.learning.training_rows import CLEAN, Row, part_of
from training.classifier.sets import authored
from training.speech.recordings import Line, TrainingLine, ValidationLine

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHARE: Mapping[str, Mapping[bool, float]] = {"en": {True: 0.025, False: 0.025}, "zh": {True: 0.2173, False: 0.3092}}
"""Shares of our lines that are misheard for the training, by language and whether they are clean. Mandarin has the
largest shares, because it is misheard most.
"""


def tested() -> list[Line]:
    """The sentences of benchmarks/spoken.yaml."""
    tree = msgspec.yaml.decode((BENCHMARKS / "spoken.yaml").read_bytes(), type=dict[str, dict[str, str]])
    return [
        Line(language, label, line)
        for language, labels in tree.items()
        for label, lines in labels.items()
        for line in lines.splitlines()
    ]


def trained() -> list[Line]:
    """One sentence of each selected pattern of ours."""
    of_pattern = {row.group: row for row in authored.spoken(Path())}
    return [TrainingLine(row.language, row.group, row.text) for row in of_pattern.values() if _drawn(row)]


def validating(count: int) -> list[Line]:
    """`count` risky and `count` harmless lines of each language of the validation side, one of each pattern."""
    rows = [row for row in authored.spoken(Path()) if part_of(row) == "validation"]
    of_pattern = {(row.language, row.group, _label(row)): row.text for row in reversed(rows)}
    drawn = sorted(
        (ValidationLine(language, label, text) for (language, _, label), text in of_pattern.items()),
        key=lambda line: line.id,
    )
    kinds: dict[tuple[str, bool], list[Line]] = {}
    for line in drawn:
        kinds.setdefault((line.language, line.label == "clean"), []).append(line)
    return sorted((line for kind in kinds.values() for line in kind[:count]), key=lambda line: line.id)


def _drawn(row: Row) -> bool:
    place = int(hashlib.sha256(row.group.encode()).hexdigest()[:8], 16) / 2**32
    return place < SHARE[row.language][row.labels is CLEAN]


def _label(row: Row) -> str:
    """The row's first label, or `clean`."""
    return "clean" if row.labels is CLEAN else next(name for name, value in row.labels.items() if value)
