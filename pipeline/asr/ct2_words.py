"""Word times from CTranslate2's alignment: each word from its first token's place to the next word's."""

from collections.abc import Iterable, Sequence

from pipeline.asr.guards import TOKEN
from pipeline.asr.hypothesis import SECONDS_PER_TIMESTAMP
from pipeline.asr.transcriber import TimedWord

TornWord = tuple[str, int]
"""A word, as text with the space before it, and of how many tokens it is made."""


def joined(pieces: Iterable[TornWord]) -> list[TornWord]:
    """Words of `pieces` (whole characters): one begins after a space, and wherever a Chinese character stands."""
    words: list[TornWord] = []
    for text, count in pieces:
        if words and not _begins(text, words[-1][0]):
            words[-1] = (words[-1][0] + text, words[-1][1] + count)
        else:
            words.append((text, count))
    return words


def timed(
    words: Sequence[TornWord], path: Sequence[tuple[int, int]], probabilities: Sequence[float], seconds: float
) -> tuple[TimedWord, ...]:
    """`path` has pairs of token and position, in order; `probabilities` one for each token."""
    starts = {token: position * SECONDS_PER_TIMESTAMP for token, position in reversed(path)}
    found, at = [], 0
    for text, count in words:
        start, end = (min(starts.get(token, seconds), seconds) for token in (at, at + count))
        mean = sum(probabilities[at : at + count]) / count
        found.append(TimedWord(text.strip(), round(start, 2), round(end, 2), min(mean, 1.0)))
        at += count
    return tuple(word for word in found if word.text)


def _begins(text: str, before: str) -> bool:
    letters = TOKEN.search(text)
    if not letters:
        return False
    return text.startswith(" ") or not letters[0].isascii() or not before.strip()[-1:].isascii()
