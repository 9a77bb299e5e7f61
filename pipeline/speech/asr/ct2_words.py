"""Word times from CTranslate2's alignment. A word lasts from its first token's position to that of the next word."""

from collections.abc import Iterable, Sequence

from pipeline.speech.asr.hypothesis import SECONDS_PER_TIMESTAMP
from pipeline.speech.asr.transcriber import TimedWord
from pipeline.speech.languages.characters import TOKEN, UNSPACED, tokens_of

OPENING = "\"'“¿([{-《「"
"""Punctuation that belongs to the next word."""

TornWord = tuple[str, int]
"""The text of a word with the space before it, and its number of tokens."""


def joined(pieces: Iterable[TornWord]) -> list[TornWord]:
    """Join `pieces` (whole characters) to words. A word begins at a space, or beside a letter of an unspaced script."""
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
    """Compute the times of `words` in a clip of `seconds`.

    `path` has pairs of token index and encoder position, in order. `probabilities` has one value per token.
    """
    starts = {token: position * SECONDS_PER_TIMESTAMP for token, position in reversed(path)}
    found, at = [], 0
    for text, count in words:
        start, end = (min(starts.get(token, seconds), seconds) for token in (at, at + count))
        mean = sum(probabilities[at : at + count]) / count
        found.append(TimedWord(text.strip(), round(start, 2), round(end, 2), min(mean, 1.0)))
        at += count
    return tuple(word for word in found if word.text)


def _begins(text: str, before: str) -> bool:
    if before.strip() in OPENING:
        return False
    if text.strip() in OPENING:
        return text.startswith(" ")
    first, last = TOKEN.search(text), [token[0][-1] for token in tokens_of(before)][-1:]
    return first is not None and (text.startswith(" ") or any(map(UNSPACED.match, (first[0], *last))))
