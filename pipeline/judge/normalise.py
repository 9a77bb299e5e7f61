"""Normalises text for matching: all spellings of a text get one form, and each character keeps its place in the source.

Normalising applies NFKC, lower case and Simplified characters, and removes accents, apostrophes and invisible
characters. Inside a Latin word, similar letters of other alphabets become Latin. Deliberate disguises (leet,
stretching, separators) are left to `disguise.py`, because removing them would damage ordinary text.
"""

import re
import unicodedata
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
    if len(folded) == len(text) and all(pieces):
        return PlainView(folded, range(len(text)), range(1, len(text) + 1))
    places = [place for place, piece in enumerate(pieces) for _ in piece]
    return PlainView(folded, places, [place + 1 for place in places])


class _Foldings(dict[str, str]):
    """The folded form of each character, computed at its first use."""

    def __missing__(self, character: str) -> str:
        folded, before = _fold(character), character
        while folded != before:
            folded, before = _fold(folded), folded
        self[character] = folded
        return folded


_FOLDINGS = _Foldings()


def _fold(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text).casefold()
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
