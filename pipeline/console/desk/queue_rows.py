"""The rows of the queue as the page shows them."""

import itertools
from collections.abc import Mapping, Sequence

from msgspec import Struct

from pipeline.contract.messages import Hit
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
    edges = {start, end, *(edge for hit in hits for edge in (hit.start, hit.end) if start < edge < end)}
    spans = [
        (first, last, any(hit.start <= first < hit.end for hit in hits))
        for first, last in itertools.pairwise(sorted(edges))
    ]
    joined = (list(group) for _, group in itertools.groupby(spans, key=lambda span: span[2]))
    return tuple(TextPiece(text[group[0][0] : group[-1][1]], group[0][2]) for group in joined)
