"""A decoder's hypothesis for a clip: its text, its score, and the signs of a bad decode."""

import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from pipeline.speech import languages
from pipeline.speech.asr import language_model
from pipeline.speech.asr.hallucinations import LOW_LOGPROB, NO_SPEECH, is_doubled, is_looping
from pipeline.speech.asr.recogniser import TimedWord

SECONDS_PER_TIMESTAMP = 0.02

SPARE_TOKENS = 6
"""Tokens allowed in addition to the language's tokens per second."""

BROKEN = "\N{REPLACEMENT CHARACTER}"
"""The character for bytes that are not a whole UTF-8 character."""
MAX_PARTS = 4
"""Maximum tokens of a character: UTF-8 has at most four bytes per character."""

WORD = re.compile(r"[\u3400-\u9fff]|[A-Za-z']+")
"""A Chinese character, or a Latin word in Chinese text. Spoken numbers are written as characters."""

OVERCONFIDENCE = 0.2
"""Subtracted from the mean log-probability of an adapter: it is surer than Whisper, also where it is wrong."""


@dataclass(frozen=True)
class Hypothesis:
    """A text that the decoder proposes for a clip."""

    language: str
    tokens: tuple[int, ...]
    """Tokens of the text, without timestamps."""
    text: str
    avg_logprob: float
    """Mean log-probability per token."""
    no_speech: float
    """Probability that nobody spoke."""
    seconds: float
    """Length of the clip."""
    adapted: bool = False
    """Decoded with an adapter."""
    end: float = math.inf
    """Seconds at which the last word ends, by the decoder."""

    @cached_property
    def compression_ratio(self) -> float:
        """Bytes of the text divided by its zlib size. It is high for repetitive text."""
        raw = self.text.encode()
        return len(raw) / len(zlib.compress(raw))

    @cached_property
    def looping(self) -> bool:
        """Whether the text repeats the same words again and again."""
        return is_looping(self.text, self.compression_ratio)

    @cached_property
    def doubled(self) -> bool:
        """Whether the text is one sentence, twice."""
        return is_doubled(self.text)

    @property
    def faults(self) -> tuple[bool, bool, bool]:
        """Whether the text loops, is too long for the clip, or says a sentence twice."""
        return self.looping, self.hasty, self.doubled

    @cached_property
    def plausibility(self) -> float:
        """The score that selects the best of several texts. The language decides whether it is a mean or a sum."""
        logprob = self.avg_logprob - OVERCONFIDENCE * self.adapted
        recogniser = languages.read_language(self.language).recogniser
        if recogniser.ranking == "mean":
            return logprob
        weight = recogniser.talk_weight
        usual = weight * language_model.fluency(self.text, self.language) if weight else 0.0
        # + 1: the mean includes the end of the text. A sum prefers short texts, so each word adds one.
        return logprob * (len(self.tokens) + 1) + len(WORD.findall(self.text)) + usual

    @property
    def hasty(self) -> bool:
        """Whether the text has more tokens than anybody can speak in the clip's time."""
        rate = languages.read_language(self.language).recogniser.tokens_per_second
        return len(self.tokens) > SPARE_TOKENS + rate * self.seconds


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the tokens that are not text. All ids from `end_of_text` on are not text."""

    end_of_text: int
    timestamps: int
    """Id of the first timestamp, 0.00 s. The other timestamps follow it."""


def spoken(tokens: Sequence[int], marks: SpecialTokens, seconds: float) -> tuple[tuple[int, ...], float]:
    """The text tokens of the segments that start within the clip's `seconds`, and the time at which the last one ends.

    The time is infinite if the decoder gave none.
    """
    # Segments that start in the padding after the clip are invented.
    kept = [(segment, end) for start, segment, end in _segments(tokens, marks) if start < seconds]
    return tuple(token for segment, _ in kept for token in segment), kept[-1][1] if kept else math.inf


def _segments(tokens: Sequence[int], marks: SpecialTokens) -> Iterator[tuple[float, list[int], float]]:
    """Start, text tokens and end of each segment."""
    start, segment = 0.0, list[int]()
    for token in tokens:
        if token >= marks.timestamps:
            at = (token - marks.timestamps) * SECONDS_PER_TIMESTAMP
            if segment:
                yield start, segment, at
            start, segment = at, []
        elif token < marks.end_of_text:
            segment.append(token)
    if segment:
        yield start, segment, math.inf


def legible(tokens: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> tuple[tuple[int, ...], str]:
    """Remove the tokens of incomplete characters. Returns the remaining tokens and their text.

    A token may be a part of a character's UTF-8 bytes, and the decoder may stop inside a character.
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
            part.pop(0)  # no later token completes the character that this one begins
        else:
            kept += part
            part = []
    return tuple(kept), text_of(kept)


def best_first(tried: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Sort the hypotheses, best first, and keep each text once.

    Texts with faults come last. Otherwise the most plausible text is first, but an adapter's text only if all others
    have faults.
    """
    # Scores of texts with faults are too high: a decoder is sure of a loop.
    ranked = sorted(tried, key=lambda one: (one.faults, -one.plausibility))
    # An adapter recognises sounds better, but chooses characters worse.
    found = {(best := min(ranked, key=lambda one: (one.faults, one.adapted))).text: best}
    for one in ranked:
        found.setdefault(one.text, one)
    return list(found.values())


CLEAR_LANGUAGE = 0.5
"""If the likeliest language has a lower probability, 30 s of context detect the language better. This concerned 55 of
861 clips of people, and takes longer than the text of a short clip."""
CLEAR_CHOICE = 0.8
"""But not if the likeliest language is one to transcribe and has this share among those. So it was with 16 of the 55
clips. The longer context chose another language for one of them, which was wrong."""


def is_suspicious(hypothesis: Hypothesis) -> bool:
    """Whether to decode a clip again.

    Silence is not suspicious. If the first decode invented words for it, another decode would also invent words.
    """
    if _is_silent(hypothesis):
        return False
    unsure = hypothesis.avg_logprob < languages.read_language(hypothesis.language).recogniser.sure_logprob
    return unsure or hypothesis.hasty or hypothesis.looping or hypothesis.doubled


def _is_silent(hypothesis: Hypothesis) -> bool:
    return hypothesis.no_speech > NO_SPEECH and hypothesis.avg_logprob < LOW_LOGPROB


def in_variant(heard: Hypothesis, variant: str) -> Hypothesis:
    """The hypothesis with its text in a variant of the language's script: a value of `asr.chinese`."""
    for script in languages.scripts():
        if script.language == heard.language:
            return replace(heard, text=script.written(heard.text, variant))
    return heard


def respelt(words: Sequence[TimedWord], text: str) -> tuple[TimedWord, ...]:
    """The words with the characters of `text`, which has as many. A character's variant can depend on its sentence."""
    letters = iter("".join(text.split()))
    return tuple(replace(word, text="".join(islice(letters, len("".join(word.text.split()))))) for word in words)
