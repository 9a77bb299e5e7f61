"""What a decoder wrote for a clip, told from its tokens."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.asr.guards import is_looping

SECONDS_PER_TIMESTAMP = 0.02


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
    trimmed: bool = False
    """Something was written for a time after the clip's end, and left out."""

    @cached_property
    def compression_ratio(self) -> float:
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw))

    @cached_property
    def looping(self) -> bool:
        return is_looping(self.text, self.compression_ratio)


@dataclass(frozen=True, slots=True)
class Marks:
    """Where in a vocabulary the tokens are that are no text: from `end_of_text` on."""

    end_of_text: int
    timestamps: int
    """The first of them, 0.00 s; the others follow it."""


def spoken(tokens: Sequence[int], marks: Marks, seconds: float) -> tuple[tuple[int, ...], bool]:
    """Tokens of the segments that start within the clip's `seconds`, and whether there were others."""
    segments = list(_segments(tokens, marks))
    kept = [segment for start, segment in segments if start < seconds]
    return tuple(token for segment in kept for token in segment), len(kept) < len(segments)


def _segments(tokens: Sequence[int], marks: Marks) -> Iterator[tuple[float, list[int]]]:
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


def best_first(tried: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Sound ones before loops, likely ones before others; each text once."""
    found: dict[str, Hypothesis] = {}
    for one in sorted(tried, key=lambda one: (one.looping, -one.avg_logprob)):
        found.setdefault(one.text, one)
    return list(found.values())
