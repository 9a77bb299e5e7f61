"""Whisper's vocabulary: the ids of special tokens, and the text of other tokens."""

from collections.abc import Iterator, Sequence

from tokenizers import Tokenizer

from pipeline.speech.asr.ct2_words import TornWord, joined
from pipeline.speech.asr.hypothesis import SpecialTokens

NO_TIMESTAMPS = "<|notimestamps|>"


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
        return joined(self._pieces(tokens))

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
