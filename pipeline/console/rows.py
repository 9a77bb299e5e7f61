"""The rows of the queue as the page shows them."""

import itertools
from collections.abc import Mapping, Sequence

from msgspec import Struct

from pipeline.messages import Hit
from pipeline.review.cases.values import Case

AROUND = 24
"""Characters that a row shows before the first hit."""
LONGEST = 90
"""The most characters of the transcript in a row."""


class TextPiece(Struct, frozen=True):
    """A piece of text. The page shows it in bold if `hit` is true."""

    text: str
    hit: bool


class QueueRow(Struct, frozen=True):
    case: Case
    pieces: tuple[TextPiece, ...]
    strikes: int
    holder: str
    """The account that holds the case; empty if nobody does."""
    owner: str
    """The account that the case is assigned to; empty if it is nobody."""


def rows(
    cases: Sequence[Case], strikes: Mapping[str, int], holders: Mapping[str, str], owners: Mapping[str, str]
) -> list[QueueRow]:
    """Return the rows of cases. `strikes` is by speaker, `holders` and `owners` are by case id."""
    return [
        QueueRow(case, excerpt(case), strikes.get(case.speaker, 0), holders.get(case.id, ""), owners.get(case.id, ""))
        for case in cases
    ]


def excerpt(case: Case) -> tuple[TextPiece, ...]:
    """Return the part of the text around the first hit, at most LONGEST characters long."""
    first = min((hit.start for hit in case.hits), default=0)
    start = max(0, first - AROUND) if first > AROUND else 0
    end = min(len(case.text), start + LONGEST)
    found = pieces(case.text, case.hits, start, end)
    before = (TextPiece("…", False),) if start else ()
    return (*before, *found, *((TextPiece("…", False),) if end < len(case.text) else ()))


def pieces(text: str, hits: Sequence[Hit], start: int, end: int) -> tuple[TextPiece, ...]:
    """Split characters `start` to `end` (exclusive) of `text` where hits begin and end."""
    marked = [any(hit.start <= at < hit.end for hit in hits) for at in range(start, end)]
    cuts = [start, *(start + n for n in range(1, len(marked)) if marked[n] != marked[n - 1]), end]
    spans = [(first, last) for first, last in itertools.pairwise(cuts) if last > first]
    return tuple(TextPiece(text[first:last], marked[first - start]) for first, last in spans)
