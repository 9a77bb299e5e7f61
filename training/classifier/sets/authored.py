"""Our own spoken-style examples, `spoken/`: threats, offers, grooming, and what only sounds like them.

Each language has a folder with two files. `risky.yaml` holds patterns by label (`a+b` for two at once), `clean.yaml`
holds harmless twins by the label they are the twins of; one pattern a line.
"""

import random
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import msgspec

from training.classifier.rows import CLEAN, LABELS, Row, negative, positive, untested

EXAMPLES = Path(__file__).parent.parent / "spoken"
CHOICE = re.compile(r"\[([^\]]*)\]")
PATTERN_WEIGHT = 12.0
"""Of all the sentences of one pattern together, so that one with many choices does not drown the others."""
MOST = 24
"""Sentences taken of one pattern, drawn from its combinations."""
APART = ("hate", "minor_safety", "terror_extremism", "political_sensitive", "illegal_trade", "fraud", "ads_spam")
"""Labels that the author would have written down had they applied; of the others, one may come with another unsaid."""


def spoken(_folder: Path) -> Iterator[Row]:
    """Every example; the sentences of one pattern stay on one side of the split, and none is kept for a test."""
    for path in sorted(EXAMPLES.glob("*/*.yaml")):
        for key, pattern in patterns(path):
            targets = CLEAN if path.stem == "clean" else _targets(key)
            sentences = expand(pattern)
            weight = min(2.0, PATTERN_WEIGHT / len(sentences))
            for text in sentences:
                yield untested(Row(text, path.parent.name, targets, weight=weight, group=pattern))


def patterns(path: Path) -> Iterator[tuple[str, str]]:
    """Each pattern of a file with its key."""
    for key, lines in msgspec.yaml.decode(path.read_bytes(), type=dict[str, str]).items():
        for line in lines.splitlines():
            yield key, line


def expand(pattern: str) -> list[str]:
    """At most `MOST` of the sentences that `pattern` stands for: `[a|b] c` is `a c` and `b c`."""
    parts = CHOICE.split(pattern)
    choices = ([part] if at % 2 == 0 else part.split("|") for at, part in enumerate(parts))
    sentences = [" ".join("".join(combination).split()) for combination in product(*choices)]
    return sentences if len(sentences) <= MOST else random.Random(pattern).sample(sentences, MOST)


def _targets(key: str) -> Mapping[str, float]:
    labels = key.split("+")
    if strange := set(labels) - set(LABELS):
        raise ValueError(f"no such label: {strange}")
    return negative(*APART) | positive(*labels)
