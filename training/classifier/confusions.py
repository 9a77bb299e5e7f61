"""Counts which syllables a recogniser confuses, in real transcripts (`heard/`).

A third of the wrong characters there have another sound that no rule about accents predicts: 谁 as 水, 了 as 脸.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher


def confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Mapping[str, Counter[str]]:
    """For each syllable, how often each other one was heard for it. `pairs`: spoken and heard syllables of a text."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for spoken, recognised in pairs:
        for one, other in _swapped(spoken, recognised):
            found[one][other] += 1
    return found


def _swapped(spoken: Sequence[str], recognised: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Differing stretches of equal length. In others, it is unknown which syllable became which."""
    for kind, start, end, at, to in SequenceMatcher(None, spoken, recognised, autojunk=False).get_opcodes():
        if kind == "replace" and end - start == to - at:
            yield from zip(spoken[start:end], recognised[at:to], strict=True)
