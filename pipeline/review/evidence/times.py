"""When each word of a flagged text was said, and where that lies in the clip."""

import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from pipeline.messages import Flag
from pipeline.review.cases.values import ClipPiece

TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\s\u3400-\u9fff\uf900-\ufaff]+|\s+")
"""A Han character, a run of anything else, or white space: together all of the text."""

LOW = 0.5
"""A word that the recogniser was less sure of is shown as doubtful."""


class Token(Struct, frozen=True):
    """Characters `first` to `last` (half open) of the text, said from `start` to `end` (UTC seconds)."""

    text: str
    first: int
    last: int
    start: float
    end: float
    hit: bool
    doubtful: bool
    measured: bool
    """The recogniser gave the times; else they are by share of characters."""


def tokens(flag: Flag) -> tuple[Token, ...]:
    """The whole text, in order."""
    return tuple(_token(flag, *span) for span in (_measured(flag) if flag.words else _estimated(flag)))


def offset_of(timeline: Sequence[ClipPiece], at: float) -> float | None:
    """Seconds into the clip at which the moment `at` (UTC) is heard; in a pause, its end; None after the clip."""
    for piece in timeline:
        if at < piece.start + piece.seconds:
            return piece.offset + max(0.0, at - piece.start)
    return None


Span = tuple[int, int, float, float, bool, bool]


def _token(flag: Flag, first: int, last: int, start: float, end: float, doubtful: bool, measured: bool) -> Token:
    hit = any(hit.start < last and first < hit.end for hit in flag.hits)
    return Token(flag.text[first:last], first, last, start, end, hit, doubtful, measured)


def _measured(flag: Flag) -> Iterator[Span]:
    """Each word where it stands in the text; what lies between two words goes with no time of its own."""
    cursor, clock = 0, flag.start
    for word in flag.words:
        text = word.text.strip()
        first = flag.text.find(text, cursor) if text else -1
        if first < 0:
            continue
        if first > cursor:
            yield cursor, first, clock, word.start, False, True
        cursor, clock = first + len(text), word.end
        yield first, cursor, word.start, word.end, word.probability < LOW, True
    if cursor < len(flag.text):
        yield cursor, len(flag.text), clock, flag.end, False, True


def _estimated(flag: Flag) -> Iterator[Span]:
    each = (flag.end - flag.start) / max(1, len(flag.text))
    for match in TOKEN.finditer(flag.text):
        first, last = match.span()
        yield first, last, flag.start + first * each, flag.start + last * each, False, False
