"""The time of each word of a flagged text, and its place in the clip."""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pipeline.contract.messages import Flag
from pipeline.review.cases.values import ClipPiece

TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+|\s+")
"""One Han character, a run of other characters, or white space. The matches together are the whole text."""

DOUBTFUL_BELOW = 0.5
"""The console marks a word below this probability as doubtful."""


class Token(Struct, frozen=True):
    """Characters `first` to `last` (exclusive) of the text, spoken from `start` to `end` (UTC seconds)."""

    text: str
    first: int
    last: int
    start: float
    end: float
    hit: bool
    doubtful: bool
    measured: bool
    """Whether the recogniser gave the times. Otherwise they are estimated from the number of characters."""


def tokens(flag: Flag) -> tuple[Token, ...]:
    """Split the whole text of a flag into tokens with times, in order."""
    return tuple(_token(flag, *span) for span in (_measured(flag) if flag.words else _estimated(flag)))


def offset_of(timeline: Sequence[ClipPiece], at: float) -> float | None:
    """Return the position of the moment `at` (UTC seconds) in the clip, in seconds.

    For a moment in a pause, return the end of the pause. For a moment after the clip, return None.
    """
    for piece in timeline:
        if at < piece.start + piece.seconds:
            return piece.offset + max(0.0, at - piece.start)
    return None


Span = tuple[int, int, float, float, bool, bool]


def _token(flag: Flag, first: int, last: int, start: float, end: float, doubtful: bool, measured: bool) -> Token:
    hit = any(hit.start < last and first < hit.end for hit in flag.hits)
    return Token(flag.text[first:last], first, last, start, end, hit, doubtful, measured)


def _measured(flag: Flag) -> Iterator[Span]:
    """Yield each word of the recogniser at its place in the text, and the text between words.

    Text between two words lasts from the end of the first to the start of the second.
    """
    cursor, clock = 0, flag.start
    for word in flag.words:
        text = word.text.strip()
        first = flag.text.find(text, cursor) if text else -1
        if first < 0:
            continue
        if first > cursor:
            yield cursor, first, clock, word.start, False, True
        cursor, clock = first + len(text), word.end
        yield first, cursor, word.start, word.end, word.probability < DOUBTFUL_BELOW, True
    if cursor < len(flag.text):
        yield cursor, len(flag.text), clock, flag.end, False, True


def _estimated(flag: Flag) -> Iterator[Span]:
    each = (flag.end - flag.start) / max(1, len(flag.text))
    for match in TOKEN.finditer(flag.text):
        first, last = match.span()
        yield first, last, flag.start + first * each, flag.start + last * each, False, False
