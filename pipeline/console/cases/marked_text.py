"""Text of a transcript in pieces, with the words that matter marked: excerpts, quotes, and the normalised form."""

import itertools
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from pipeline.contract.messages import Flag, Hit
from pipeline.judge.normalise import PlainView, normalise
from pipeline.review.cases.case_values import Case
from pipeline.review.evidence.clip_player import offset_of
from pipeline.review.search.case_lists import ListedCase

BEFORE = 24  # characters that a quote shows before the first mark
EXCERPT_LENGTH = 90  # the most characters of a row's excerpt
ROW = 44  # columns of a row: a Latin letter takes one, a Han character two
AHEAD = 16  # columns that an excerpt shows before the first mark
QUOTE_LENGTH = 120  # the most characters of a quote

Span = tuple[int, int]  # characters of a text, half open


class TextPiece(Struct, frozen=True):
    """A piece of text. The page shows it in bold if `hit` is true."""

    text: str
    hit: bool


def pieces(text: str, spans: Sequence[Span], start: int, end: int) -> tuple[TextPiece, ...]:
    """Return the characters `start` to `end` (half open) of `text` in pieces, marked where a span is."""
    # Cut the text at each edge of a span, then join neighbours that are marked alike.
    edges = sorted({start, end, *(edge for span in spans for edge in span if start < edge < end)})
    parts = [
        (first, last, any(begin <= first and last <= stop for begin, stop in spans))
        for first, last in itertools.pairwise(edges)
    ]
    joined = (list(group) for _, group in itertools.groupby(parts, key=lambda part: part[2]))
    return tuple(TextPiece(text[group[0][0] : group[-1][1]], group[0][2]) for group in joined)


class Quote(Struct, frozen=True):
    """A quote of a flag."""

    pieces: tuple[TextPiece, ...]
    flag: Flag


def quote(flags: Sequence[Flag], phrases: Sequence[str]) -> Quote | None:
    """Return a quote around the first of the folded `phrases`, or else around the first hit; None without flags."""
    marked = [(flag, places(text_of_flag(flag), phrases)) for flag in flags]
    marked += [(flag, hits(flag.hits)) for flag in flags]
    chosen = next(((flag, spans) for flag, spans in marked if spans), None)
    if chosen is None:
        return Quote(cut(text_of_flag(flags[0]), ()), flags[0]) if flags else None
    flag, spans = chosen
    return Quote(cut(text_of_flag(flag), spans), flag)


class FoundRow(Struct, frozen=True):
    """A case in a list, with a quote, and the quote's part of the clip in seconds; None if no clip is kept."""

    listed: ListedCase
    quote: Quote | None
    part: tuple[float, float] | None


def excerpt(case: Case) -> tuple[TextPiece, ...]:
    """Return the part of a case's text around the first hit, at most EXCERPT_LENGTH characters long."""
    spans = hits(case.hits)
    return _cut(case.text, spans, _begin(case.text, _first(spans)), EXCERPT_LENGTH)


def text_of_flag(flag: Flag) -> str:
    """Return the text of a flag, or the name of its sound. Its kind is not in it: pages have words for that."""
    return flag.sound.name if flag.sound else flag.text


def places(text: str, phrases: Iterable[str]) -> list[Span]:
    """Return where the folded phrases stand in a text as it was said."""
    view = normalise(text)
    found = (match.span() for phrase in phrases for match in re.finditer(re.escape(phrase), view.text))
    return [view.span(*span) for span in found]  # the phrases are found in the normal form, and marked in the text


def hits(found: Sequence[Hit]) -> list[Span]:
    """Return where the terms of the lexicon stand."""
    return [(hit.start, hit.end) for hit in found]


def marked(flag: Flag, phrases: Sequence[str]) -> tuple[TextPiece, ...]:
    """Return the whole text of a flag, with the phrases and the hits marked."""
    text = text_of_flag(flag)
    return pieces(text, [*places(text, phrases), *hits(flag.hits)], 0, len(text))


def cut(text: str, spans: Sequence[Span]) -> tuple[TextPiece, ...]:
    """Return at most QUOTE_LENGTH characters around the first span, with the spans marked."""
    start = max(0, _first(spans) - BEFORE) if len(text) > QUOTE_LENGTH else 0
    return _cut(text, spans, start, QUOTE_LENGTH)


def normalised(flag: Flag) -> tuple[TextPiece, ...]:
    """Return the text of a flag as the lexicon read it, in pieces; none if no hit is disguised.

    Where a term was disguised (`k.i.l.l`) or only sounded like this (傻笔), the term itself stands in the text.
    """
    apart = list(_apart(flag.hits))
    if all(_term(hit) == flag.text[hit.start : hit.end].casefold() for hit in apart):
        return ()
    return tuple(piece for piece in _normalised_pieces(normalise(flag.text), apart, len(flag.text)) if piece.text)


def found_row(row: ListedCase, phrases: Sequence[str] = ()) -> FoundRow:
    """Return a case as a list shows it."""
    quoted = quote(row.flags, phrases)
    spoken = quoted.flag if quoted else row.case
    return FoundRow(row, quoted, _part(row, spoken.start, spoken.end))


def _begin(text: str, first: int) -> int:
    """Return where an excerpt begins, with a whole word: AHEAD before the first mark, or earlier to fill the row."""
    room, begin = max(AHEAD, ROW - sum(map(_columns, text[first : first + ROW]))), first
    while begin and room >= _columns(text[begin - 1]):
        begin -= 1
        room -= _columns(text[begin])
    cuts_word = begin > 0 and not text[begin - 1].isspace()
    return text.find(" ", begin, first) + 1 or begin if cuts_word else begin


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _first(spans: Sequence[Span]) -> int:
    return min((start for start, _ in spans), default=0)


def _cut(text: str, spans: Sequence[Span], start: int, length: int) -> tuple[TextPiece, ...]:
    """Return `length` characters from `start` on in pieces, with dots where text is left out."""
    end, dots = min(len(text), start + length), TextPiece("…", False)
    return (*((dots,) if start else ()), *pieces(text, spans, start, end), *((dots,) if end < len(text) else ()))


def _apart(hits: Sequence[Hit]) -> Iterator[Hit]:
    """Yield hits that do not overlap. Of hits that overlap, yield the first and longest."""
    end = 0
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if hit.start >= end:
            yield hit
            end = hit.end


def _term(hit: Hit) -> str:
    return normalise(hit.term.removesuffix("*")).text


def _normalised_pieces(view: PlainView, hits: Sequence[Hit], length: int) -> Iterator[TextPiece]:
    """Yield the view with the terms in the place of the hits. `length` is the length of the text as it was said."""
    at = 0
    for hit in hits:
        yield TextPiece(_normalised_between(view, at, hit.start), False)
        yield TextPiece(_term(hit), True)
        at = hit.end
    yield TextPiece(_normalised_between(view, at, length), False)


def _normalised_between(view: PlainView, start: int, end: int) -> str:
    """Return the normalised form of the characters `start` to `end` (half open) of the text as it was said."""
    return view.text[bisect_left(view.starts, start) : bisect_left(view.starts, end)]


def _part(row: ListedCase, start: float, end: float) -> tuple[float, float] | None:
    """Return the seconds of the case's clip between two times (UTC seconds); None if there is no clip."""
    if row.clip is None:
        return None
    first, last = offset_of(row.clip.timeline, start), offset_of(row.clip.timeline, end)
    # A moment outside the clip gives its beginning or its end.
    return first or 0.0, row.clip.seconds if last is None else last
