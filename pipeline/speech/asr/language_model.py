"""A small model of ordinary talk: which of several readings would people rather say?

It predicts a character from the two before it. Source: n-grams with back-off (Katz 1987), with the estimates of Witten
and Bell (1991). `python -m training.speech.talk` counts them. A language has a model if its folder has `talk.npz`.
"""

import re
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.speech import languages

FILE = "talk.npz"

CLAUSE = re.compile(r"[\u4e00-\u9fffa-z0-9]+")
DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
START, END = "^", "$"

TYPICAL = 4.0
"""Added for each character. It is about what a character of ordinary talk costs, so the length of a reading gives no
advantage."""

Floats = NDArray[np.float32]
Keys = NDArray[np.uint32]


class TalkModel:
    """The tables of one model. Log-probabilities and back-off weights are natural logarithms.

    - `characters`: the known ones, shape (characters,), with `first` and `first_backoff`. The last one stands for all
      unknown characters.
    - `pairs`: sorted keys, shape (pairs,), with `second` and `second_backoff`. A key is the number of the first
      character times the number of characters, plus the number of the second.
    - `triples`: sorted keys, shape (triples,), with `third`. A key is the place of the first two in `pairs` times the
      number of characters, plus the number of the third.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError, ValueError or KeyError if the file is no model."""
        with np.load(BytesIO(path.read_bytes())) as tables:
            characters: list[str] = tables["characters"].tolist()
            self._pairs, self._triples = tables["pairs"], tables["triples"]
            self._first, self._first_backoff, self._second, self._second_backoff, self._third = (
                tables[name].astype(np.float32)
                for name in ("first", "first_backoff", "second", "second_backoff", "third")
            )
        self._numbers = {character: number for number, character in enumerate(characters)}
        self._size = len(characters)

    def fluency(self, text: str) -> float:
        """How likely people say `text`, as a logarithm. Of a typical text it is about 0, and of an empty one lower."""
        return sum(map(self._fluency, clauses(text) or [""]))

    def _fluency(self, clause: str) -> float:
        unknown = self._size - 1
        numbers = np.array([self._numbers.get(each, unknown) for each in (START, *clause, END)], np.uint32)
        return float(self._logprobs(numbers).sum()) + TYPICAL * len(clause)

    def _logprobs(self, numbers: Keys) -> Floats:
        """The log-probability of each character after the first, shape (characters - 1,)."""
        pair, is_pair = _find(self._pairs, numbers[:-1] * self._size + numbers[1:])
        triple, is_triple = _find(self._triples, pair[:-1] * self._size + numbers[2:])
        # Back-off (Katz): use the pair if it is known, else the single character with the weight of its context.
        unpaired = self._first_backoff[numbers[:-1]] + self._first[numbers[1:]]
        short = np.where(is_pair, self._second[pair], unpaired)
        backoff = np.where(is_pair, self._second_backoff[pair], 0.0)[:-1]
        # For an unknown pair, `pair` is the place of another one. So a triple that is found there does not count.
        long = np.where(is_triple & is_pair[:-1], self._third[triple], backoff + short[1:])
        found: Floats = np.concatenate([short[:1], long])
        return found


def _find(keys: Keys, wanted: Keys) -> tuple[Keys, NDArray[np.bool_]]:
    """The place of each wanted key, and whether it is there."""
    # A key above all others would have a place outside the table.
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1).astype(np.uint32)
    return places, keys[places] == wanted


def clauses(text: str) -> list[str]:
    """The clauses of a text: characters of the model's script, without punctuation, digits as numerals."""
    for script in languages.scripts():
        text = script.converted(text)
    return CLAUSE.findall(text.lower().translate(DIGITS))


def fluency(text: str, language: str) -> float:
    """How likely people say `text`, as a logarithm. 0 if the language has no model."""
    model = _read(languages.file(language, FILE))
    return model.fluency(text) if model else 0.0


@cache
def _read(path: Path | None) -> TalkModel | None:
    return TalkModel(path) if path else None
