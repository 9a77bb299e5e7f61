"""Normalises text for matching: all spellings of a text get one form, and each character keeps its place in the source.

`normalise` applies NFKC, lower case and Simplified characters, and removes accents, apostrophes and invisible
characters. Inside a Latin word, similar letters of other alphabets become Latin.

`disguised` finds words that are disguised on purpose: leet (k1ll), separators (k.i.l.l, 傻*逼), stretching (killlll).
It reduces a text to its skeleton (after Unicode TS 39), in which a disguised word and the plain word are equal.
Different ordinary words can have the same skeleton (`as` and `ass`). So a match in a skeleton counts only if it covers
a position of `marks`, where a disguise was removed.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.speech import languages
from pipeline.speech.languages.writing_systems import HAN

APOSTROPHES = frozenset("'’‘ʼ`＇")
INVISIBLE = frozenset({"Mn", "Me", "Cf", "Cc"})
"""Unicode categories of characters without a letter: accents, enclosures, zero-width and control characters."""

_OTHER_ALPHABET = re.compile(r"[\u0370-\u052f]")
_MIXED_WORD = re.compile(r"(?=[^\W\d_]*[a-z])(?=[^\W\d_]*[\u0370-\u052f])[^\W\d_]+")
_LOOK_ALIKES = str.maketrans("асеорхуіјѕһԁԛԝкмтвнгαορνικτυχβε", "aceopxyijshdqwkmtbhraopviktuxbe")
"""Lower-case Cyrillic and Greek letters, and the Latin letters that they resemble."""

_SPACES = re.compile(rf"(?<= ) +|(?<=[{HAN}]) +(?=[{HAN}a-z0-9])|(?<=[a-z0-9]) +(?=[{HAN}])")
"""Recognisers write spaces for pauses. Beside Chinese characters they have no meaning."""
_HYPHENS = re.compile(r"(?<=[a-z0-9]{2})[-_](?=[a-z0-9]{2})")
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
class PlainView:
    """Normalised `text`. Its character i comes from the source's characters `starts[i]` to `ends[i]` (half open)."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the source of `text[start:end]`, which is not empty."""
        return self.starts[start], self.ends[end - 1]

    def without(self, gaps: Iterable[re.Match[str]]) -> "PlainView":
        """This view without the parts that `gaps` match."""
        dropped = {position for gap in gaps for position in range(*gap.span())}
        if not dropped:
            return self
        kept = [position for position in range(len(self.text)) if position not in dropped]
        return PlainView(
            "".join(self.text[position] for position in kept),
            [self.starts[position] for position in kept],
            [self.ends[position] for position in kept],
        )


def normalise(text: str) -> PlainView:
    """The plain view of `text`. Normalising its text again changes nothing."""
    view = _folded(text)
    if "-" in view.text or "_" in view.text:
        view = PlainView(_HYPHENS.sub(" ", view.text), view.starts, view.ends)
    if _OTHER_ALPHABET.search(view.text):
        latin = _MIXED_WORD.sub(lambda word: word.group().translate(_LOOK_ALIKES), view.text)
        view = PlainView(latin, view.starts, view.ends)
    return view.without(_SPACES.finditer(view.text))


def _folded(text: str) -> PlainView:
    pieces = [_FOLDINGS[character] for character in text]
    folded = "".join(pieces)
    # The usual case: each character keeps its place.
    if len(folded) == len(text) and all(pieces):
        return PlainView(folded, range(len(text)), range(1, len(text) + 1))
    places = [place for place, piece in enumerate(pieces) for _ in piece]
    return PlainView(folded, places, [place + 1 for place in places])


class _Foldings(dict[str, str]):
    """The folded form of each character, computed at its first use."""

    def __missing__(self, character: str) -> str:
        # One folding may make another one possible.
        folded, before = _fold(character), character
        while folded != before:
            folded, before = _fold(folded), folded
        self[character] = folded
        return folded


_FOLDINGS = _Foldings()


def _fold(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text).casefold()
    # NFD separates accents from their letters. NFC joins what is left, such as the parts of a Hangul syllable.
    kept = (_visible(character) for character in unicodedata.normalize("NFD", compatible))
    folded = unicodedata.normalize("NFC", "".join(kept))
    for script in languages.scripts():
        folded = script.fold(folded)
    return folded


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    hidden = character in APOSTROPHES or unicodedata.category(character) in INVISIBLE
    return "" if hidden else character


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
    # Join first: leet and stretched letters are found inside whole words.
    joined, marks = _join(view)
    plain, leet = _unleet(joined.text)
    stretched = {position for run in _STRETCH.finditer(joined.text) for position in range(*run.span())}
    return _collapse(PlainView(plain, joined.starts, joined.ends), marks | leet | stretched)


def _join(view: PlainView) -> tuple[PlainView, set[int]]:
    """The view without separators inside words, and the positions that followed a separator."""
    gaps = [*_HAN_GAP.finditer(view.text), *_LATIN_GAP.finditer(view.text)]
    for spelled in _SPELLED.finditer(view.text):
        if any(character.isalpha() for character in spelled.group()):  # not a number or a date
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
