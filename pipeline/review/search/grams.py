"""Grams: the short pieces of text that the search index holds, so that a search finds any part of a word.

At each letter of a word begins one gram: the next three letters, or fewer at the end of the word. In scripts without
spaces, such as Chinese, it is the next two. So `返现` is one gram, and each single character begins one. A phrase is in
a text only if all its grams are there; whether they stand side by side, the text itself must tell.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from pipeline.judge.normalise import normalise
from pipeline.speech.languages.writing_systems import UNSPACED

LENGTH, UNSPACED_LENGTH = 3, 2
MOST = 16
"""The most grams of a phrase that the index is asked for."""

_CLASS = UNSPACED.pattern.strip("[]")
_RUN = re.compile(rf"[{_CLASS}]+|[^\W_{_CLASS}]+")


class Needles(Struct, frozen=True):
    """The grams of a phrase: whole ones, and the beginnings of others."""

    whole: tuple[str, ...]
    beginnings: tuple[str, ...]


def fold(text: str) -> str:
    """Return `text` as the index holds it: normalised as for the lexicon."""
    return normalise(text).text.strip()


def grams(folded: str) -> frozenset[str]:
    """Return all grams of a folded text."""
    return frozenset(run[at : at + _length(run)] for run in _runs(folded) for at in range(len(run)))


def needles(folded: str) -> Needles:
    """Return the grams that each text with this folded phrase has.

    A part that is shorter than a gram gives the beginning of one, because the text may go on after it.
    """
    whole: dict[str, None] = {}
    beginnings: dict[str, None] = {}
    for run in _runs(folded):
        length = _length(run)
        if len(run) < length:
            beginnings[run] = None
        for at in range(len(run) - length + 1):
            whole[run[at : at + length]] = None
    # Beginnings cost more than whole grams, so they are asked for only if nothing else is there.
    return Needles(tuple(whole)[:MOST], () if whole else tuple(beginnings)[:MOST])


def _runs(folded: str) -> Iterator[str]:
    return (found.group() for found in _RUN.finditer(folded))


def _length(run: str) -> int:
    return UNSPACED_LENGTH if UNSPACED.match(run) else LENGTH
