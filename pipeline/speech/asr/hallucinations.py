"""Signs that a recogniser invented a text. They mark it; the text is kept, a loop as one turn of it."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from pipeline.contract.messages import Mark
from pipeline.speech import languages
from pipeline.speech.asr.recogniser import Recognition
from pipeline.speech.languages.writing_systems import tokens_of

NO_SPEECH = 0.6
"""Above it, with a mean log-probability below LOW_LOGPROB, a clip is silence. These two limits and COMPRESSION are
openai-whisper's own."""
LOW_LOGPROB = -1.0
COMPRESSION = 2.4
SURE_NO_SPEECH = 0.5
SURE_LOGPROB = -0.7
"""Where triage hears no voice, the recogniser has to be surer than both limits. It was tried with a rap over loud music
and six sounds without a voice: only the rap passed."""
DOUBT = 0.3
"""No-speech probability from which a polite phrase counts as invented."""

TURNS = 4
"""An n-gram is a loop if it comes at least this many times in a row ..."""
LOOP_TOKENS = 8
"""... and if these have at least this many tokens together."""
LONGEST_TURN = 32
SENTENCE = 5
"""Minimum tokens of a sentence that counts as a decoder's echo when it is said twice. People repeat shorter ones."""


def loop_of(words: Sequence[str]) -> tuple[int, int, int] | None:
    """The longest loop in `words` as (start, length of one turn, end), or None."""
    found = [loop for size in range(1, min(LONGEST_TURN, len(words) // TURNS) + 1) for loop in _loops(words, size)]
    # Among equally long loops, take the shortest turn: "no no no no" is not a loop of "no no".
    return max(found, key=lambda loop: (loop[2] - loop[0], -loop[1]), default=None)


def _loops(words: Sequence[str], size: int) -> Iterable[tuple[int, int, int]]:
    start = 0
    for at in range(size, len(words) + 1):
        # A loop is a run in which each word equals the word `size` places before it.
        if at == len(words) or words[at] != words[at - size]:
            if at - start >= max(TURNS * size, LOOP_TOKENS):
                yield start, size, at
            start = at - size + 1


def collapse(text: str) -> str:
    """`text` with every loop reduced to one turn."""
    # Without one loop, the text around it may be a loop.
    while True:
        tokens = tokens_of(text)
        loop = loop_of([token[0].casefold() for token in tokens])
        if loop is None:
            return text
        start, size, end = loop
        text = text[: tokens[start + size - 1].end()] + text[tokens[end - 1].end() :]


def is_looping(text: str, compression_ratio: float) -> bool:
    return compression_ratio > COMPRESSION or loop_of([token[0].casefold() for token in tokens_of(text)]) is not None


def is_sure(recognition: Recognition) -> bool:
    """Whether the recogniser is certain enough to outweigh a detector that hears no voice."""
    return recognition.no_speech < SURE_NO_SPEECH and recognition.avg_logprob > SURE_LOGPROB


def is_doubled(text: str) -> bool:
    """Whether `text` is one sentence, twice. People say so, too."""
    words = [token[0].casefold() for token in tokens_of(text)]
    half, odd = divmod(len(words), 2)
    return not odd and half >= SENTENCE and words[:half] == words[half:]


class HallucinationGuards:
    """Marks a recognition whose text may be invented."""

    def __init__(self) -> None:
        # Of all languages: Whisper also writes phrases in another language than the one it hears.
        phrases = [languages.read_language(code).silence_phrases for code in languages.known()]
        self._credits = _pattern(each.credits for each in phrases)
        self._doubtful = _pattern(each.credits + each.doubtful for each in phrases)

    def marks(self, recognition: Recognition) -> tuple[Mark, ...]:
        """Why the text may be invented, worst first; none for a text to be relied on."""
        unsure = recognition.avg_logprob < LOW_LOGPROB
        signs: dict[Mark, bool] = {
            "no_speech": unsure and recognition.no_speech > NO_SPEECH,
            "repetition": is_looping(recognition.text, recognition.compression_ratio),
            "silence_phrase": self._is_silence(recognition.text, recognition.no_speech),
            "low_confidence": unsure,
        }
        return tuple(mark for mark, holds in signs.items() if holds)

    def _is_silence(self, text: str, no_speech: float) -> bool:
        phrases = self._doubtful if no_speech > DOUBT else self._credits
        return any(
            all(phrases.fullmatch(part) for part in parts)
            # The whole text is a phrase, or each clause is one, or each word.
            for separator in (r"$", r"[.!?,;。！？，；、]", r"\s")
            if (parts := [plain for part in re.split(separator, text) if (plain := _plain(part))])
        )


def _pattern(lists: Iterable[Sequence[str]]) -> re.Pattern[str]:
    phrases = (phrase for each in lists for phrase in each)
    # `*` in a phrase is any text, for example the name of a translator.
    return re.compile("|".join(".{0,60}".join(map(re.escape, map(_plain, phrase.split("*")))) for phrase in phrases))


def _plain(text: str) -> str:
    """Letters and digits alone, in one case."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum())
