"""Our own lines in spoken style (`spoken/`): risky ones, and harmless ones that sound similar.

Each language has a folder with three files. `risky.yaml` holds patterns by label (`a+b` for two labels). `clean.yaml`
holds harmless patterns by the label that they resemble. There is one pattern a line. `pairs.yaml` holds pairs by the
label of their risky line, one pair a line: a risky line, ` => `, and a harmless one in nearly the same words.
"""

import random
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import msgspec

from pipeline.learning.training_rows import CLEAN, LABELS, Row, negative, positive, untested

EXAMPLES = Path(__file__).parent.parent / "spoken"
CHOICE = re.compile(r"\[([^\]]*)\]")
PAIR = " => "
PATTERN_WEIGHT = 12.0
"""Total weight of the sentences of one pattern, so that a pattern with many variants does not dominate."""
MOST = 24
"""Maximum number of sentences drawn from one pattern."""
BESIDE: Mapping[str, tuple[str, ...]] = {
    "hate": ("abuse",),
    "terror_extremism": ("violence", "hate"),
    "minor_safety": ("sexual",),
}
"""Labels that may also apply to a sentence with a label, without being annotated. It is free of all others: else a
teacher would guess that a threat to kill is also self-harm.
"""


def spoken(_folder: Path) -> Iterator[Row]:
    """Every line. Those of one pattern or pair stay on one side of the split, and none is used for tests."""
    for path in sorted(EXAMPLES.glob("*/*.yaml")):
        for key, line in patterns(path):
            for pattern, targets in _annotated(path.stem, key, line):
                sentences = expand(pattern)
                weight = min(2.0, PATTERN_WEIGHT / len(sentences))
                for text in sentences:
                    yield untested(Row(text, path.parent.name, targets, weight=weight, group=line))


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


def _annotated(file: str, key: str, line: str) -> list[tuple[str, Mapping[str, float]]]:
    """Each pattern of a line, with its annotations; raises ValueError for a pair that is not one."""
    if file == "pairs":
        risky, clean = line.split(PAIR)
        return [(risky, _targets(key)), (clean, CLEAN)]
    return [(line, CLEAN if file == "clean" else _targets(key))]


def _targets(key: str) -> Mapping[str, float]:
    labels = key.split("+")
    if strange := set(labels) - set(LABELS):
        raise ValueError(f"unknown label: {strange}")
    unknown = {other for label in labels for other in BESIDE.get(label, ())}
    return negative(*(label for label in LABELS if label not in unknown)) | positive(*labels)
