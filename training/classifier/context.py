"""Gives training texts the speech before them, so that the classifier learns to read an utterance in its context.

- A pause may cut a sentence. So a text is cut in two, and its first part becomes the speaker's earlier words.
- Some sets have the turns before a text.
- The turns of strangers say nothing about a text. So a text gets turns of other rows, and its labels stay.

Half of the texts have no context, because the judge also scores an utterance alone.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random

from pipeline.judge.classifier_text import with_context
from pipeline.learning.training_rows import CLEAN, Row
from pipeline.speech.languages.writing_systems import UNSPACED
from training.classifier.noise import Mishearing
from training.classifier.sets import TALK

ALONE = 0.5
"""Share of the texts without context."""
CUT = 0.6
"""Share of the other texts that are cut, if their set has no turns."""
WITHIN = 0.3
"""Share of the cuts that fall inside a clause, because people also pause there."""
OF_RISK = 0.25
"""Share of strangers' turns that come from any row. The others come from clean talk."""
CLAUSE_END = re.compile(r"(?<=[,.!?;，。！？；、])\s*(?=\S)")
UNIT = re.compile(r"[㐀-鿿]|[^\s㐀-鿿]+")
FEWEST = 3
"""Characters or words in the shorter part of a cut text."""
WIDTH: Mapping[bool, int] = {True: 70, False: 220}
"""Most characters of a training text, by whether its script has no spaces: about 56 tokens. The judge reads more."""


class Context:
    """Writes rows as the classifier reads them. The same seed gives the same contexts and errors."""

    def __init__(self, rows: Sequence[Row], hear: Mishearing, seed: int) -> None:
        self._hear = hear
        self._random = Random(seed)
        self._talk: dict[str, list[str]] = defaultdict(list)
        self._any: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            self._any[row.language].append(row.text)
            if row.source in TALK and row.labels is CLEAN:
                self._talk[row.language].append(row.text)

    def __call__(self, row: Row, said: str) -> str:
        """`said`, which is the row's text or a part of it, as it is heard, at random with the speech before it."""
        text = self._hear.misheard(clipped(said))
        if self._random.random() < ALONE:
            return self._hear.formed(text)
        if row.own or row.room:
            return self._joined(text, *map(self._hear.misheard, (row.own, row.room)))
        if self._random.random() < CUT and (places := self._places(text)):
            at = self._random.choice(places)
            return self._joined(text[at:].strip(), text[:at].strip(), self._stranger(row.language, 0.5))
        return self._joined(text, self._stranger(row.language, 0.5, risky=False), self._stranger(row.language, 0.8))

    def _joined(self, text: str, own: str, room: str) -> str:
        return with_context(*map(self._hear.formed, (text, own, room)))

    def _places(self, text: str) -> list[int]:
        """Where `text` may be cut: between clauses, at times inside one."""
        units = [found.start() for found in UNIT.finditer(text)]
        if len(units) < 2 * FEWEST:
            return []
        inside = units[FEWEST : 1 - FEWEST]
        ends = {found.end() for found in CLAUSE_END.finditer(text)} & {*inside}
        return sorted(ends) if ends and self._random.random() >= WITHIN else inside

    def _stranger(self, language: str, share: float, risky: bool = True) -> str:
        """A line of another row in this `language`, in a `share` of the calls. The others give nothing."""
        anything = risky and self._random.random() < OF_RISK
        lines = (self._any if anything else self._talk)[language]
        return self._hear.misheard(self._random.choice(lines)) if lines and self._random.random() < share else ""


def clipped(text: str) -> str:
    """The first characters of a long text."""
    return text[: WIDTH[UNSPACED.search(text) is not None]]
