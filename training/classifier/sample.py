"""Decides how often training sees each row, and how much of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from random import Random

from pipeline.learning.training_rows import CLEAN, Row
from training.classifier.sets import TALK
from training.classifier.teach import CLAUSE

TIMES: Mapping[str, float] = {
    "authored.en": 4.0,
    "authored.zh": 1.8,
    "ami": 3.0,
    "topical_chat": 3.0,
    "toxigen_seeds": 2.0,
    "cold": 2.0,
    "jigsaw": 2.0,
    "vcsum": 2.0,
    "tencent_chat": 1.5,
    "toxic_spans": 0.7,
    "stormfront": 0.6,
    "edos": 0.5,
    "davidson": 0.3,
    "tatoeba.en": 0.5,
    CLAUSE: 0.6,
}
"""How often a row of each set, or of one language of a set, is drawn in a pass: more for rare subjects, less for large
sets of one kind.
"""
CLAUSES = re.compile(r"(?<=[,.!?;，。！？；])\s*")
FRAGMENTS = 0.4
"""Share of the clean talk lines that are cut to some of their clauses, because people speak in fragments."""


class Sampler:
    """An endless sample of `rows`. The same seed gives the same sample."""

    def __init__(self, rows: Sequence[Row], seed: int) -> None:
        self._rows = rows
        self._random = Random(seed)

    def draw(self, count: int) -> Iterator[Row]:
        return islice(self._passes(), count)

    def said(self, row: Row) -> str:
        """The row's text or a fragment of it. A fragment of a clean text is clean."""
        if row.labels is not CLEAN or row.source not in TALK or self._random.random() >= FRAGMENTS:
            return row.text
        clauses = [clause for clause in CLAUSES.split(row.text) if clause]
        first = self._random.randrange(len(clauses))
        return " ".join(clauses[first : first + self._random.choice((1, 1, 2))])

    def _passes(self) -> Iterator[Row]:
        while True:
            order = [row for row in self._rows for _ in range(self._times(row))]
            self._random.shuffle(order)
            yield from order

    def _times(self, row: Row) -> int:
        """The set's share, randomly rounded up or down so that the mean is right."""
        times = TIMES.get(f"{row.source}.{row.language}", TIMES.get(row.source, 1.0))
        return int(times + self._random.random())
