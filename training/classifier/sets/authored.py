"""Our own lines in spoken style (`spoken/`): risky ones, and harmless ones that sound similar.

Each language has a folder with two files. `risky.yaml` holds patterns by label (`a+b` for two labels). `clean.yaml`
holds harmless patterns by the label that they resemble. There is one pattern a line.
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
"""Total weight of the sentences of one pattern, so that a pattern with many variants does not dominate."""
MOST = 24
"""Maximum number of sentences drawn from one pattern."""
APART = ("hate", "minor_safety", "terror_extremism", "political_sensitive", "illegal_trade", "fraud", "ads_spam")
"""Labels that the author always annotates. A sentence without one of these is free of it. Other labels may apply
without being annotated.
"""


def spoken(_folder: Path) -> Iterator[Row]:
    """Every line. The sentences of one pattern stay on one side of the split, and none is used for tests."""
    for path in sorted(EXAMPLES.glob("*/*.yaml")):
        for key, pattern in patterns(path):
            targets = CLEAN if path.stem == "clean" else _targets(key)
            sentences = expand(pattern)
            weight = min(2.0, PATTERN_WEIGHT / len(sentences))
            for text in sentences:
                yield untested(Row(text, path.parent.name, targets, weight=weight, group=pattern))


def patterns(path: Path) -> Iterator[tuple[str, str]]:
    """Each pattern of a file, with its key."""
    for key, lines in msgspec.yaml.decode(path.read_bytes(), type=dict[str, str]).items():
        for line in lines.splitlines():
            yield key, line


def expand(pattern: str) -> list[str]:
    """At most `MOST` of the sentences that `pattern` describes: `[a|b] c` gives `a c` and `b c`."""
    parts = CHOICE.split(pattern)
    choices = ([part] if at % 2 == 0 else part.split("|") for at, part in enumerate(parts))
    sentences = [" ".join("".join(combination).split()) for combination in product(*choices)]
    return sentences if len(sentences) <= MOST else random.Random(pattern).sample(sentences, MOST)


def _targets(key: str) -> Mapping[str, float]:
    labels = key.split("+")
    if strange := set(labels) - set(LABELS):
        raise ValueError(f"unknown label: {strange}")
    return negative(*APART) | positive(*labels)
