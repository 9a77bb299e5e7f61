"""Finds lexicon terms in text: Aho–Corasick over the plain view, its skeleton and its sound.

A. V. Aho, M. J. Corasick, Efficient string matching, CACM 18 (6), 1975. The implementation is pyahocorasick.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ahocorasick

from pipeline.judge.labels import SEVERITIES, Severity
from pipeline.judge.normalise import PlainView, Skeleton, disguised, normalise, skeleton
from pipeline.speech import languages

MILDER: dict[Severity, Severity] = {"critical": "high", "high": "medium"}
"""The lower level of a term that matches by sound alone. A moderator should check it."""

NEAR_CHARACTERS = 24
"""How many characters before and after a match `near` and `unless` search."""
VOWELS = frozenset("aeiou")
MAX_SPACED = 2
"""Chinese terms up to this length do not match across a space, which may be the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term as written, with its label and level. `near` and `unless` are normalised."""

    text: str
    label: str
    level: Severity
    by_sound: bool = False
    near: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    overruled_below: float = 0.0


@dataclass(frozen=True, slots=True)
class Match:
    """`term` matches the source's characters `start` to `end` (half open). Matches by sound have a lower `level`."""

    term: Term
    level: Severity
    start: int
    end: int
    overruled_below: float = 0.0
    """It does not count if the classifier's `risk` of the words around it is lower. The classifier may not read a
    disguised word or one that only sounds like the term, so these always count.
    """


class Matcher:
    """Compiled terms and allowed phrases. `find` is thread-safe."""

    def __init__(self, terms: Iterable[Term], allowed: Iterable[str] = ()) -> None:
        self._plain, self._bare, self._sound, self._allowed = _Index(), _Index(), _Index(), _Index()
        for term in terms:
            self._add(term)
        for phrase in allowed:
            self._allowed.add(normalise(phrase).text, phrase)
        for index in (self._plain, self._bare, self._sound, self._allowed):
            index.compile()

    def _add(self, term: Term) -> None:
        open_end = term.text.endswith("*")
        view = normalise(term.text.removesuffix("*"))
        self._plain.add(view.text, term, open_end)
        for pattern in _skeletons(view):
            self._bare.add(pattern, term, open_end)
        if term.by_sound:
            for reading in {reading for script in languages.scripts() for reading in script.readings(view.text)}:
                self._sound.add(reading, term, open_end)

    def find(self, text: str) -> list[Match]:
        """All matches in `text`, by position.

        Of overlapping matches of one label, only the most severe and longest is kept.
        """
        view = normalise(text)
        found = [match for match in self._candidates(view, text) if not _paused(match, text) and _fits(match, view)]
        if found:  # most texts have no match
            masks = [view.span(start, end) for _, start, end in self._allowed.find(view.text)]
            found = [match for match in found if not _inside(match, masks)]
        return _distinct(found)

    def _candidates(self, view: PlainView, text: str) -> Iterator[Match]:
        for term, start, end in self._plain.find(view.text):
            first, last = view.span(start, end)
            readable = text[first:last].lower() == view.text[start:end]
            yield Match(term, term.level, first, last, term.overruled_below if readable else 0.0)
        if hidden := disguised(view):
            yield from self._hidden(hidden)
        for sounds in (script.sounds(view.text) for script in languages.scripts() if script.is_in(view.text)):
            for term, start, end in self._sound.find(sounds):
                yield Match(term, MILDER.get(term.level, term.level), *view.span(start, end))

    def _hidden(self, hidden: Skeleton) -> Iterator[Match]:
        for term, start, end in self._bare.find(hidden.view.text):
            if hidden.hides(start, end):
                yield Match(term, term.level, *hidden.view.span(start, end))


class _Index:
    """Patterns and the values they stand for. Latin patterns match whole words; an open one may end inside a word."""

    def __init__(self) -> None:
        self._entries: dict[str, list[tuple[Any, bool]]] = {}
        self._automaton = ahocorasick.Automaton()

    def add(self, pattern: str, value: Any, open_end: bool = False) -> None:
        if pattern:
            self._entries.setdefault(pattern, []).append((value, open_end))

    def compile(self) -> None:
        for pattern, entries in self._entries.items():
            self._automaton.add_word(pattern, (len(pattern), entries))
        if self._entries:
            self._automaton.make_automaton()

    def find(self, text: str) -> Iterator[tuple[Any, int, int]]:
        if not self._entries:  # pyahocorasick refuses to search without patterns
            return
        for last, (length, entries) in self._automaton.iter(text):
            start, end = last - length + 1, last + 1
            if _inside_word(text, start):
                continue
            for value, open_end in entries:
                if open_end or not _inside_word(text, end):
                    yield value, start, end


def _inside_word(text: str, position: int) -> bool:
    """Whether Latin letters or digits are on both sides of `position`."""
    around = text[max(0, position - 1) : position + 1]
    return len(around) == 2 and position > 0 and around.isascii() and around.isalnum()


def _skeletons(view: PlainView) -> set[str]:
    """The term's skeleton, and its variants with one vowel removed, to match `f*ck`."""
    whole = skeleton(view).view.text
    if not whole.isascii():
        return {whole}
    # People who hide a vowel keep the first and the last letter.
    return {whole} | {whole[:i] + whole[i + 1 :] for i in range(1, len(whole) - 1) if whole[i] in VOWELS}


def _paused(match: Match, text: str) -> bool:
    """Whether a short Chinese term only spans a pause (`很傻 逼我`). If spelled out by itself (`傻 逼`), it counts."""
    pieces = text[match.start : match.end].split()
    if len(pieces) == 1 or len(match.term.text) > MAX_SPACED or not all(piece.isalnum() for piece in pieces):
        return False
    return any(character.isalnum() for character in (*text[: match.start][-1:], *text[match.end :][:1]))


def _fits(match: Match, view: PlainView) -> bool:
    near, unless = match.term.near, match.term.unless
    if not (near or unless):
        return True
    before, found, after = _around(match, view)
    wanted = not near or any(_stands(phrase, side) for phrase in near for side in (before, after))
    return wanted and not any(_stands(phrase, before + found + after) for phrase in unless)


def _stands(phrase: str, text: str) -> bool:
    """Whether `phrase` is in `text`. A Latin phrase must match whole words: `kid` is not in `kidding`."""
    at = text.find(phrase)
    while at >= 0 and (_inside_word(text, at) or _inside_word(text, at + len(phrase))):
        at = text.find(phrase, at + 1)
    return at >= 0


def _around(match: Match, view: PlainView) -> tuple[str, str, str]:
    """The plain text before a match, in it, and after it."""
    first, last = bisect_left(view.starts, match.start), bisect_left(view.starts, match.end)
    text = view.text
    return text[max(0, first - NEAR_CHARACTERS) : first], text[first:last], text[last : last + NEAR_CHARACTERS]


def _inside(match: Match, masks: list[tuple[int, int]]) -> bool:
    return any(start <= match.start and match.end <= end for start, end in masks)


def _distinct(matches: list[Match]) -> list[Match]:
    kept: list[Match] = []
    # The most severe first, then the longest.
    for match in sorted(matches, key=lambda m: (-SEVERITIES.index(m.level), m.start - m.end, m.start, m.term.text)):
        if not any(
            other.term.label == match.term.label and match.start < other.end and other.start < match.end
            for other in kept
        ):
            kept.append(match)
    return sorted(kept, key=lambda match: (match.start, match.end))
