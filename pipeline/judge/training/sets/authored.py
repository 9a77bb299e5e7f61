"""Our own spoken-style examples, `spoken.yaml`: threats, offers, grooming, and what only sounds like them."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec

from pipeline.judge.training.rows import CLEAN, Row, positive, untested

EXAMPLES = Path(__file__).parent.parent / "spoken.yaml"
CHOICE = re.compile(r"\[([^\]]*)\]")
PATTERN_WEIGHT = 12.0
"""Of all the sentences of one pattern together, so that one with many choices does not drown the others."""
MOST = 48
"""Sentences taken of one pattern, spread evenly over its combinations."""


def spoken(_folder: Path) -> Iterator[Row]:
    """Every example; the sentences of one pattern stay on one side of the split, and none is kept for a test."""
    examples = msgspec.yaml.decode(EXAMPLES.read_bytes(), type=dict[str, dict[str, list[str]]])
    for language, labels in examples.items():
        for label, patterns in labels.items():
            targets = CLEAN if label == "clean" else positive(label)
            for pattern in patterns:
                sentences = expand(pattern)
                weight = min(2.0, PATTERN_WEIGHT / len(sentences))
                for text in sentences:
                    yield untested(Row(text, language, targets, weight=weight, group=pattern))


def expand(pattern: str) -> list[str]:
    """The sentences that `pattern` stands for: `[a|b] c` is `a c` and `b c`."""
    parts = CHOICE.split(pattern)
    combinations = [*product(*([part] if at % 2 == 0 else part.split("|") for at, part in enumerate(parts)))]
    step = max(1, len(combinations) // MOST)
    return ["".join(combination) for combination in combinations[::step]][:MOST]
