"""Turns texts of `turns.joined` into token ids, so that no spoken word can pass for the mark between two texts.

A tokenizer reads `</s>` in a text, and also its full-width form, as the mark itself. So each part is read alone, and
special tokens inside it are dropped.
"""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer

from pipeline.judge.conversation_text import SEPARATOR
from pipeline.judge.view import MAX_TOKENS

BEGIN = "<s>"
SPECIAL = (BEGIN, "<pad>", SEPARATOR, "<mask>")
MAX_JOINED = 176
"""The limit for an utterance with the speech before it. It is cut at the front, and the utterance stays whole."""


class Tokens:
    """A tokenizer with the special tokens of XLM-RoBERTa."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Raises ValueError if `tokenizer` has other special tokens."""
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self._begin, self._separator = _id(tokenizer, BEGIN), _id(tokenizer, SEPARATOR)
        self._dropped = frozenset(map(tokenizer.token_to_id, SPECIAL))

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text, with the marks at its ends and between its parts."""
        parts = [text.split(SEPARATOR) for text in texts]
        found = iter(self._tokenizer.encode_batch_fast([*_all(parts)], add_special_tokens=False))
        return [self._row([next(found).ids for _ in each]) for each in parts]

    def _row(self, parts: Sequence[Sequence[int]]) -> list[int]:
        *before, said = [[at for at in ids if at not in self._dropped] for ids in parts]
        said = [*said[: MAX_TOKENS - 2], self._separator]
        told = [at for ids in before for at in (*ids, self._separator)]
        room = MAX_JOINED - 1 - len(said)
        return [self._begin, *told[max(0, len(told) - room) :], *said]


def _id(tokenizer: Tokenizer, token: str) -> int:
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"its tokenizer has no {token}")
    return found


def _all(parts: Iterable[Sequence[str]]) -> Iterable[str]:
    return (part for each in parts for part in each)
