"""Syllables that a recogniser takes for others, counted in what was really heard (`heard/`).

A third of the wrong characters there have another sound, which no rule of accents foresees: 谁 as 水, 了 as 脸.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher


def confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Mapping[str, Counter[str]]:
    """Syllable → how often it was heard as which others; of pairs of what was said and what was heard, in syllables."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for said, heard in pairs:
        for one, other in _swapped(said, heard):
            found[one][other] += 1
    return found


def _swapped(said: Sequence[str], heard: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where stretches of as many syllables differ; of others nobody can tell what was taken for what."""
    for kind, start, end, at, to in SequenceMatcher(None, said, heard, autojunk=False).get_opcodes():
        if kind == "replace" and end - start == to - at:
            yield from zip(said[start:end], heard[at:to], strict=True)
