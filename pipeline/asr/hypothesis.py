"""What a decoder wrote for a clip, told from its tokens."""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline import languages
from pipeline.asr.guards import is_doubled, is_looping

SECONDS_PER_TIMESTAMP = 0.02

SPARE_TOKENS = 6
"""Allowed beyond the language's tokens per second."""

BROKEN = "\N{REPLACEMENT CHARACTER}"
"""What bytes that are no whole character are decoded to."""
MAX_PARTS = 4
"""Tokens of a character: UTF-8 has at most so many bytes."""

SAID = re.compile(r"[\u3400-\u9fff]|[A-Za-z']+")
"""A Chinese character, or a word among them; numbers are said in characters."""


OVERCONFIDENCE = 0.2
"""Of a mean log-probability, so much is the adapter's own: it is surer than Whisper of what it hears wrong, too."""


@dataclass(frozen=True)
class Hypothesis:
    language: str
    tokens: tuple[int, ...]
    """Of the text, without timestamps."""
    text: str
    avg_logprob: float
    """Mean log-probability a token."""
    no_speech: float
    """Probability that nobody spoke."""
    seconds: float
    """Of the clip."""
    adapted: bool = False
    """Written with an adapter."""

    @cached_property
    def compression_ratio(self) -> float:
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw))

    @cached_property
    def looping(self) -> bool:
        return is_looping(self.text, self.compression_ratio)

    @cached_property
    def doubled(self) -> bool:
        return is_doubled(self.text)

    @cached_property
    def plausibility(self) -> float:
        """The best of several texts has the highest. The language says whether it is a mean or a sum."""
        logprob = self.avg_logprob - OVERCONFIDENCE * self.adapted
        if languages.of(self.language).recogniser.ranking == "mean":
            return logprob
        return logprob * (len(self.tokens) + 1) + len(SAID.findall(self.text))

    @property
    def hasty(self) -> bool:
        """Whether the text is longer than anybody can say in the clip's time."""
        rate = languages.of(self.language).recogniser.tokens_per_second
        return len(self.tokens) > SPARE_TOKENS + rate * self.seconds


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Where in a vocabulary the tokens are that are no text: from `end_of_text` on."""

    end_of_text: int
    timestamps: int
    """The first of them, 0.00 s; the others follow it."""


def spoken(tokens: Sequence[int], marks: SpecialTokens, seconds: float) -> tuple[int, ...]:
    """Tokens of the segments that start within the clip's `seconds`."""
    return tuple(token for start, segment in _segments(tokens, marks) if start < seconds for token in segment)


def _segments(tokens: Sequence[int], marks: SpecialTokens) -> Iterator[tuple[float, list[int]]]:
    start, segment = 0.0, list[int]()
    for token in tokens:
        if token >= marks.timestamps:
            if segment:
                yield start, segment
            start, segment = (token - marks.timestamps) * SECONDS_PER_TIMESTAMP, []
        elif token < marks.end_of_text:
            segment.append(token)
    if segment:
        yield start, segment


def legible(tokens: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> tuple[tuple[int, ...], str]:
    """`tokens` with their text, without those of a character of which a part is missing.

    A token may be a part of a character's UTF-8, and the decoder may stop, or be cut, within one.
    """
    if BROKEN not in (text := text_of(tokens)):
        return tuple(tokens), text
    kept: list[int] = []
    part: list[int] = []
    for token in tokens:
        part.append(token)
        while BROKEN in (piece := text_of(part)):
            if piece.endswith(BROKEN) and len(part) < MAX_PARTS:
                break  # the next token may complete it
            part.pop(0)
        else:
            kept += part
            part = []
    return tuple(kept), text_of(kept)


def best_first(tried: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Sound ones before loops, the hasty and the doubled, which score high; then plausible ones; each text once."""
    found: dict[str, Hypothesis] = {}
    for one in sorted(tried, key=lambda one: (one.looping, one.hasty, one.doubled, -one.plausibility)):
        found.setdefault(one.text, one)
    return list(found.values())
