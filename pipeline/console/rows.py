"""One row of the queue, as it is shown."""

import itertools
from collections.abc import Mapping, Sequence

from msgspec import Struct

from pipeline.messages import Hit
from pipeline.review.cases.values import Case

AROUND = 24
"""Characters before the first hit that a row shows."""
LONGEST = 90
"""Characters of what was said in a row."""


class TextPiece(Struct, frozen=True):
    """A stretch of text; `hit` is set in bold."""

    text: str
    hit: bool


class QueueRow(Struct, frozen=True):
    case: Case
    pieces: tuple[TextPiece, ...]
    strikes: int
    holder: str
    """Account that has it in hand; empty: nobody."""


def rows(cases: Sequence[Case], strikes: Mapping[str, int], holders: Mapping[str, str]) -> list[QueueRow]:
    return [QueueRow(case, excerpt(case), strikes.get(case.speaker, 0), holders.get(case.id, "")) for case in cases]


def excerpt(case: Case) -> tuple[TextPiece, ...]:
    """The part of the text around the first hit, cut at LONGEST characters."""
    first = min((hit.start for hit in case.hits), default=0)
    start = max(0, first - AROUND) if first > AROUND else 0
    end = min(len(case.text), start + LONGEST)
    found = pieces(case.text, case.hits, start, end)
    before = (TextPiece("…", False),) if start else ()
    return (*before, *found, *((TextPiece("…", False),) if end < len(case.text) else ()))


def pieces(text: str, hits: Sequence[Hit], start: int, end: int) -> tuple[TextPiece, ...]:
    """Characters `start` to `end` (half open) of `text`, cut where hits begin and end."""
    marked = [any(hit.start <= at < hit.end for hit in hits) for at in range(start, end)]
    cuts = [start, *(start + n for n in range(1, len(marked)) if marked[n] != marked[n - 1]), end]
    spans = [(first, last) for first, last in itertools.pairwise(cuts) if last > first]
    return tuple(TextPiece(text[first:last], marked[first - start]) for first, last in spans)
