"""The normalised form of a flagged text: the text that the lexicon read. It stands beside the transcript.

Where a term was disguised (`k.i.l.l`) or only sounded like this (傻笔), the term itself stands in the text.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from pipeline.console.desk.queue_rows import TextPiece
from pipeline.contract.messages import Flag, Hit
from pipeline.judge.normalise import PlainView, normalise


def normalised(flag: Flag) -> tuple[TextPiece, ...]:
    """Return the text of a flag as the lexicon read it, in pieces; none if no hit is disguised."""
    hits = list(_apart(flag.hits))
    if all(_term(hit) == flag.text[hit.start : hit.end].casefold() for hit in hits):
        return ()
    return tuple(piece for piece in _pieces(normalise(flag.text), hits, len(flag.text)) if piece.text)


def _apart(hits: Sequence[Hit]) -> Iterator[Hit]:
    """Yield hits that do not overlap: of those that do, the first and longest."""
    end = 0
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if hit.start >= end:
            yield hit
            end = hit.end


def _term(hit: Hit) -> str:
    return normalise(hit.term.removesuffix("*")).text


def _pieces(view: PlainView, hits: Sequence[Hit], length: int) -> Iterator[TextPiece]:
    """Yield the view with the terms in the place of the hits. `length` is that of the text as it was said."""
    at = 0
    for hit in hits:
        yield TextPiece(_between(view, at, hit.start), False)
        yield TextPiece(_term(hit), True)
        at = hit.end
    yield TextPiece(_between(view, at, length), False)


def _between(view: PlainView, start: int, end: int) -> str:
    """Return the normalised form of the characters `start` to `end` (half open) of the text as it was said."""
    return view.text[bisect_left(view.starts, start) : bisect_left(view.starts, end)]
