"""Finds the spoken notice in a transcript: a word for AI and a word for generated (GB 45438-2025, 5.3 b).

The words are in `language.yaml` of each language. Those of all languages apply to every transcript, because speakers
mix languages. A conversation about AI has the same words, so a person has to read what was found.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from pipeline.contract.messages import Transcript
from pipeline.speech import languages
from pipeline.speech.languages import NoticeWords
from pipeline.speech.languages.writing_systems import tokens_of

BETWEEN = 8
"""Most tokens between the word for AI and the word for generated: characters in Chinese, words in English."""
BEFORE = 4
"""Tokens before the two words in which a denial counts."""

Span = tuple[int, int]
"""First token, and the one after the last."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An utterance with the spoken notice. Times are those of the transcript, in seconds."""

    start: float
    end: float
    text: str
    language: str


class NoticeFinder:
    """Finds the notice with the words of every language that has some."""

    def __init__(self) -> None:
        """Raises ConfigError if a `language.yaml` has a mistake."""
        self._words = [
            words for code in languages.known() if (words := languages.read_language(code).ai_notice).intelligence
        ]

    def find(self, transcript: Transcript) -> Notice | None:
        tokens = _tokens(transcript.text)
        if any(_is_notice(tokens, words) for words in self._words):
            return Notice(transcript.start, transcript.end, transcript.text, transcript.language)
        return None


def _is_notice(tokens: Sequence[str], words: NoticeWords) -> bool:
    intelligence, generated = _spans(tokens, words.intelligence), _spans(tokens, words.generated)
    denied = {start for start, _ in _spans(tokens, words.denied)}
    for one, other in product(intelligence, generated):
        (_, end), (start, _) = sorted((one, other))
        first, last = min(one[0], other[0]), max(one[1], other[1])
        if 0 <= start - end <= BETWEEN and not denied & set(range(first - BEFORE, last)):
            return True
    return False


def _spans(tokens: Sequence[str], phrases: Iterable[str]) -> list[Span]:
    return [span for phrase in phrases for span in _found(tokens, _tokens(phrase))]


def _tokens(text: str) -> list[str]:
    return [token[0].casefold() for token in tokens_of(text.replace("’", "'"))]


def _found(tokens: Sequence[str], phrase: Sequence[str]) -> Iterator[Span]:
    for start in range(len(tokens) - len(phrase) + 1):
        if tokens[start : start + len(phrase)] == phrase:
            yield start, start + len(phrase)
