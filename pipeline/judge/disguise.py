"""Undoing what hides a word on purpose: leet (k1ll), separators (k.i.l.l, 傻*逼), stretching (killlll).

A text is brought to its skeleton (after Unicode TS 39), in which a hidden word and the plain word look the same.
Skeletons of ordinary words meet, too (`as` and `ass`), so a find in one counts only where something was really hidden:
at a position of `marks`.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.judge.normalise import PlainView
from pipeline.languages.characters import HAN

_STRETCH = re.compile(rf"([a-z{HAN}])\1{{2,}}")
_SYMBOLS = r"[*.·•~\-_+=|/\\^#@&$%]"
_HAN_GAP = re.compile(rf"(?<=[{HAN}]) ?{_SYMBOLS}{{1,3}} ?(?=[{HAN}])")
_LATIN_GAP = re.compile(r"(?<=[a-z])[*~^|·•_]{1,3}(?=[a-z])")
"""Symbols that ordinary writing never puts inside a word; dots and hyphens it does."""
_SPELLED = re.compile(
    r"(?<![a-z0-9.])"
    r"(?:[a-z0-9@$!](?P<gap>[.\-*~_·•/]|\. )[a-z0-9@$!](?:(?P=gap)[a-z0-9@$!])+"
    r"|[a-z0-9@$!](?: [a-z0-9@$!]){3,})"
    r"(?![a-z0-9])"
)
"""Single letters apart: by a symbol from three on, by a space from four on (`a s s` may be an ordinary spelling)."""
_BETWEEN = re.compile(r"(?<=[a-z0-9@$!])[ .\-*~_·•/]+(?=[a-z0-9@$!])")

_LEET_WORD = re.compile(r"(?=[0-9@$!|]*[a-z])[a-z0-9@$]+(?:[!|]+[a-z0-9@$]+)*|![a-z][a-z0-9@$]*")
_LEET_LETTERS = frozenset("013457@$!|")
_LEET = str.maketrans("013457@$!|", "oieastasii")
_SUSPECT = re.compile(
    rf"{_STRETCH.pattern}|{_HAN_GAP.pattern}|{_LATIN_GAP.pattern}|[a-z][013457@$]|[013457@$!|][a-z]|[a-z][!|][a-z]"
    r"|(?<![a-z0-9])[a-z0-9@$!][ .\-*~_·•/]+[a-z0-9@$!](?![a-z0-9])"
)
"""Cheap to look for; most utterances have none of it and are done."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A view, and the positions in it at which something was hidden, in order."""

    view: PlainView
    marks: Sequence[int]

    def hides(self, start: int, end: int) -> bool:
        """Whether anything was hidden in `start` to `end` (half open)."""
        index = bisect_left(self.marks, start)
        return index < len(self.marks) and self.marks[index] < end


def disguised(view: PlainView) -> Skeleton | None:
    """The skeleton of a normalised text; None where nothing looks hidden."""
    return skeleton(view) if _SUSPECT.search(view.text) else None


def skeleton(view: PlainView) -> Skeleton:
    joined, marks = _join(view)
    plain, leet = _unleet(joined.text)
    stretched = {position for run in _STRETCH.finditer(joined.text) for position in range(*run.span())}
    return _collapse(PlainView(plain, joined.starts, joined.ends), marks | leet | stretched)


def _join(view: PlainView) -> tuple[PlainView, set[int]]:
    """Without separators inside words; marked is what followed one."""
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
    """With the letters that digits and symbols stand for, in words that have letters; and where."""
    places: set[int] = set()

    def letters(word: re.Match[str]) -> str:
        places.update(word.start() + i for i, character in enumerate(word.group()) if character in _LEET_LETTERS)
        return word.group().translate(_LEET)

    # `1` stands for i and for l: in a skeleton the two are one.
    return _LEET_WORD.sub(letters, text).replace("l", "i"), places


def _collapse(view: PlainView, marks: set[int]) -> Skeleton:
    """Every run of one letter as one, which stands for the whole run."""
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
