"""Finds words that are disguised on purpose: leet (k1ll), separators (k.i.l.l, 傻*逼), stretching (killlll).

A text is reduced to its skeleton (after Unicode TS 39), in which a disguised word and the plain word are equal.
Different ordinary words can have the same skeleton (`as` and `ass`). So a match in a skeleton counts only if it covers
a position of `marks`, where a disguise was removed.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.judge.normalise import PlainView
from pipeline.speech.languages.writing_systems import HAN

_STRETCH = re.compile(rf"([a-z{HAN}])\1{{2,}}")
_SYMBOLS = r"[*.·•~\-_+=|/\\^#@&$%]"
_HAN_GAP = re.compile(rf"(?<=[{HAN}]) ?{_SYMBOLS}{{1,3}} ?(?=[{HAN}])")
_LATIN_GAP = re.compile(r"(?<=[a-z])[*~^|·•_]{1,3}(?=[a-z])")
"""Symbols that ordinary writing never puts inside a word. Dots and hyphens are excluded: ordinary words have them."""
_SPELLED = re.compile(
    r"(?<![a-z0-9.])"
    r"(?:[a-z0-9@$!](?P<gap>[.\-*~_·•/]|\. )[a-z0-9@$!](?:(?P=gap)[a-z0-9@$!])+"
    r"|[a-z0-9@$!](?: [a-z0-9@$!]){3,})"
    r"(?![a-z0-9])"
)
"""Spelled-out letters: three or more with a symbol between them, or four or more with spaces. `a s s` may be an
ordinary spelling.
"""
_BETWEEN = re.compile(r"(?<=[a-z0-9@$!])[ .\-*~_·•/]+(?=[a-z0-9@$!])")

_LEET_WORD = re.compile(r"(?=[0-9@$!|]*[a-z])[a-z0-9@$]+(?:[!|]+[a-z0-9@$]+)*|![a-z][a-z0-9@$]*")
_LEET_LETTERS = frozenset("013457@$!|")
_LEET = str.maketrans("013457@$!|", "oieastasii")
_SUSPECT = re.compile(
    rf"{_STRETCH.pattern}|{_HAN_GAP.pattern}|{_LATIN_GAP.pattern}|[a-z][013457@$]|[013457@$!|][a-z]|[a-z][!|][a-z]"
    r"|(?<![a-z0-9])[a-z0-9@$!][ .\-*~_·•/]+[a-z0-9@$!](?![a-z0-9])"
)
"""A quick test. Most utterances do not match and need no further work."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A view, and the positions in it where a disguise was removed, in order."""

    view: PlainView
    marks: Sequence[int]

    def hides(self, start: int, end: int) -> bool:
        """Whether a disguise was removed in `start` to `end` (half open)."""
        index = bisect_left(self.marks, start)
        return index < len(self.marks) and self.marks[index] < end


def disguised(view: PlainView) -> Skeleton | None:
    """The skeleton of a normalised text; None if nothing looks disguised."""
    return skeleton(view) if _SUSPECT.search(view.text) else None


def skeleton(view: PlainView) -> Skeleton:
    joined, marks = _join(view)
    plain, leet = _unleet(joined.text)
    stretched = {position for run in _STRETCH.finditer(joined.text) for position in range(*run.span())}
    return _collapse(PlainView(plain, joined.starts, joined.ends), marks | leet | stretched)


def _join(view: PlainView) -> tuple[PlainView, set[int]]:
    """The view without separators inside words, and the positions that followed a separator."""
    gaps = [*_HAN_GAP.finditer(view.text), *_LATIN_GAP.finditer(view.text)]
    for spelled in _SPELLED.finditer(view.text):
        if any(character.isalpha() for character in spelled.group()):
            gaps.extend(_BETWEEN.finditer(view.text, *spelled.span()))
    if not gaps:
        return view, set()
    after = {gap.end() for gap in gaps}
    removed = {position for gap in gaps for position in range(*gap.span())}
    kept = [position for position in range(len(view.text)) if position not in removed]
    return view.without(gaps), {new for new, old in enumerate(kept) if old in after}


def _unleet(text: str) -> tuple[str, set[int]]:
    """The text with digits and symbols replaced by the letters they stand for, and the replaced positions."""
    places: set[int] = set()

    def letters(word: re.Match[str]) -> str:
        places.update(word.start() + i for i, character in enumerate(word.group()) if character in _LEET_LETTERS)
        return word.group().translate(_LEET)

    # `1` stands for i and for l, so a skeleton writes both as i.
    return _LEET_WORD.sub(letters, text).replace("l", "i"), places


def _collapse(view: PlainView, marks: set[int]) -> Skeleton:
    """Each run of one letter becomes one letter, which stands for the whole run in the source."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    found: list[int] = []
    for run in re.finditer(r"(.)\1*", view.text, re.DOTALL):
        first, last = run.start(), run.end() - 1
        if any(position in marks for position in range(first, last + 1)):
            found.append(len(characters))
        characters.append(run[1])
        starts.append(view.starts[first])
        ends.append(view.ends[last])
    return Skeleton(PlainView("".join(characters), starts, ends), found)
