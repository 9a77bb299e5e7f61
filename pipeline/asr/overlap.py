"""A forced cut repeats half a second of speech: its words are taken off the head of the later transcript."""

from collections import OrderedDict
from difflib import SequenceMatcher

from pipeline.asr.guards import tokens_of
from pipeline.messages import Utterance, Word

TOKENS_PER_SECOND = 6
"""Fast speech, in words or Chinese characters ..."""
SPARE_TOKENS = 2
"""... and the words that the cut left in pieces."""
ALIKE = 0.75
"""Share of characters in common from which two readings are of the same words."""


class Overlaps:
    """The last words of speakers who were cut off. Bounded: the one longest unheard is forgotten."""

    def __init__(self, max_speakers: int = 10_000) -> None:
        self._max_speakers = max_speakers
        self._cut_off: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    def trim(self, utterance: Utterance, text: str) -> str:
        """`text` without what the speaker's utterance before already gave; remembers it if it is cut off, too."""
        key = (utterance.room, utterance.speaker)
        end, before = self._cut_off.pop(key, (0.0, ""))
        if utterance.overlap and end > utterance.start:
            text = without_repeat(before, text, utterance.overlap)
        if utterance.forced:
            self._cut_off[key] = (utterance.end, text)
            if len(self._cut_off) > self._max_speakers:
                self._cut_off.popitem(last=False)
        return text


def without_repeat(before: str, text: str, seconds: float) -> str:
    """`text` without the words at its head that end `before`, if those of `seconds` of speech are alike.

    The cut may have left a piece of a word on either side: the last token of `before` and the first of `text` may
    stand for nothing in the other.
    """
    longest = SPARE_TOKENS + round(TOKENS_PER_SECOND * seconds)
    tail, head = tokens_of(before)[-longest - 1 :], tokens_of(text)[: longest + 1]
    old, new = [token[0].casefold() for token in tail], [token[0].casefold() for token in head]
    for size in range(min(longest, len(old), len(new)), 0, -1):
        for piece, skipped in ((0, 0), (1, 0), (0, 1), (1, 1)):
            ending = old[len(old) - size - piece : len(old) - piece] if len(old) >= size + piece else []
            opening = new[skipped : skipped + size]
            if len(opening) == len(ending) == size and _alike(ending, opening):
                return text[head[skipped + size - 1].end() :].lstrip(" ,.;:!?，。；：！？、")
    return text


def words_left(words: tuple[Word, ...], text: str) -> tuple[Word, ...]:
    """The last of `words`, as many as stand in `text`."""
    left, letters = len(words), len("".join(text.split()))
    while left and letters > 0:
        left -= 1
        letters -= len("".join(words[left].text.split()))
    return words[left:]


def _alike(one: list[str], other: list[str]) -> bool:
    """One token must be the same; more may differ a little, as the two hearings do."""
    if len(one) == 1:
        return one == other
    return SequenceMatcher(None, " ".join(one), " ".join(other), autojunk=False).ratio() >= ALIKE
