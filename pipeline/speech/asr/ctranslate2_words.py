"""Whisper's vocabulary for CTranslate2: the ids of special tokens, the text of the others, and the words in it.

A word lasts from the position of its first token to the position of the next word.
"""

from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer

from pipeline.speech.asr.hypothesis import SECONDS_PER_TIMESTAMP, SpecialTokens
from pipeline.speech.asr.recogniser import TimedWord
from pipeline.speech.languages.writing_systems import OPENING, TOKEN, UNSPACED, tokens_of

NO_TIMESTAMPS = "<|notimestamps|>"

TornWord = tuple[str, int]
"""The text of a word with the space before it, and its number of tokens."""


class Vocabulary:
    """The vocabulary of one model, from the `tokenizer.json` beside its weights. Raises ValueError if it is invalid."""

    def __init__(self, tokenizer: bytes, *, multilingual: bool) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        except Exception as error:  # the library raises plain Exception
            raise ValueError(f"tokenizer.json: {error}") from error
        self._multilingual = multilingual
        self.no_timestamps = self._id(NO_TIMESTAMPS)
        self.marks = SpecialTokens(self._id("<|endoftext|>"), self.no_timestamps + 1)

    def knows(self, language: str) -> bool:
        """Whether the model has a token for `language` (a code such as zh)."""
        return self._tokenizer.token_to_id(f"<|{language}|>") is not None

    def prompt(self, language: str) -> list[int]:
        """The token ids that precede the decoder's text."""
        start = [self._id("<|startoftranscript|>")]
        return [*start, self._id(f"<|{language}|>"), self._id("<|transcribe|>")] if self._multilingual else start

    def text(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`, without space at its start and end."""
        text: str = self._tokenizer.decode(list(tokens))
        return text.strip()

    def words(self, tokens: Sequence[int]) -> list[TornWord]:
        """The words of `tokens`, each with its number of tokens."""
        return join_pieces(self._pieces(tokens))

    def _pieces(self, tokens: Sequence[int]) -> Iterator[TornWord]:
        """The text of tokens. Tokens that are parts of the same UTF-8 character are decoded together."""
        part: list[int] = []
        for token in tokens:
            part.append(token)
            text: str = self._tokenizer.decode(part)
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):
                yield text, len(part)
                part = []

    def _id(self, token: str) -> int:
        found: int | None = self._tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the vocabulary has no {token}")
        return found


def join_pieces(pieces: Iterable[TornWord]) -> list[TornWord]:
    """Join `pieces` (whole characters) to words. A word begins at a space, or beside a letter of an unspaced script."""
    words: list[TornWord] = []
    for text, count in pieces:
        if words and not _begins(text, words[-1][0]):
            words[-1] = (words[-1][0] + text, words[-1][1] + count)
        else:
            words.append((text, count))
    return words


def time_words(
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
