"""Quotes: a piece of a transcript, with the words that matter marked."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from pipeline.console.desk.queue_rows import TextPiece
from pipeline.contract.messages import Flag
from pipeline.judge.normalise import normalise

QUOTE_BEFORE = 24
"""Characters before the first mark."""
QUOTE_LENGTH = 120
"""The most characters of a quote."""

Span = tuple[int, int]
"""Characters of a text, half open."""


class Quote(Struct, frozen=True):
    """A quote of a flag."""

    pieces: tuple[TextPiece, ...]
    flag: Flag


def quote(flags: Sequence[Flag], phrases: Sequence[str]) -> Quote | None:
    """Return a quote around the first of the folded `phrases`, or else around the first hit; None without flags."""
    marked = [(flag, places(written(flag), phrases)) for flag in flags]
    marked += [(flag, hits(flag)) for flag in flags]
    chosen = next(((flag, spans) for flag, spans in marked if spans), None)
    if chosen is None:
        return Quote(cut(written(flags[0]), ()), flags[0]) if flags else None
    flag, spans = chosen
    return Quote(cut(written(flag), spans), flag)


def written(flag: Flag) -> str:
    """Return the text of a flag, or the name of its sound. Its kind is not in it: pages have words for that."""
    return flag.sound.name if flag.sound else flag.text


def places(text: str, phrases: Iterable[str]) -> list[Span]:
    """Return where the folded phrases stand in a text as it was said."""
    return list(_places(text, phrases))


def hits(flag: Flag) -> list[Span]:
    """Return where the lexicon's terms stand in the text of a flag."""
    return [(hit.start, hit.end) for hit in flag.hits]


def marked(flag: Flag, phrases: Sequence[str]) -> tuple[TextPiece, ...]:
    """Return the whole text of a flag, with the phrases and the hits marked."""
    text = written(flag)
    return pieces(text, [*places(text, phrases), *hits(flag)], 0, len(text))


def cut(text: str, spans: Sequence[Span]) -> tuple[TextPiece, ...]:
    """Return at most QUOTE_LENGTH characters around the first span, with the spans marked."""
    first = min((start for start, _ in spans), default=0)
    start = max(0, first - QUOTE_BEFORE) if len(text) > QUOTE_LENGTH else 0
    end = min(len(text), start + QUOTE_LENGTH)
    gap = TextPiece("…", False)
    return (*((gap,) if start else ()), *pieces(text, spans, start, end), *((gap,) if end < len(text) else ()))


def pieces(text: str, spans: Sequence[Span], start: int, end: int) -> tuple[TextPiece, ...]:
    """Return the characters `start` to `end` (half open) of `text` in pieces, marked where a span is."""
    cuts = sorted({start, end, *(edge for span in spans for edge in span if start < edge < end)})
    return tuple(
        TextPiece(text[first:last], any(begin <= first and last <= stop for begin, stop in spans))
        for first, last in itertools.pairwise(cuts)
    )


def _places(text: str, phrases: Iterable[str]) -> Iterator[Span]:
    view = normalise(text)
    for phrase in phrases:
        at = view.text.find(phrase)
        while at >= 0:
            yield view.span(at, at + len(phrase))
            at = view.text.find(phrase, at + len(phrase))
