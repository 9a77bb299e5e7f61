"""A forced cut repeats half a second of speech: its words are taken off the head of the later transcript."""

from collections import OrderedDict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import product

from pipeline.languages.characters import tokens_of
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

    def before(self, utterance: Utterance) -> str:
        """What the speaker's utterance before gave, if this one repeats the end of it.

        One that ends with this one is this one, delivered again: of its own words none is a repeat.
        """
        end, text = self._cut_off.get((utterance.room, utterance.speaker), (0.0, ""))
        return text if utterance.overlap and utterance.start < end < utterance.end else ""

    def trim(self, utterance: Utterance, text: str) -> str:
        """`text` without what the speaker's utterance before already gave; remembers it if it is cut off, too."""
        key = (utterance.room, utterance.speaker)
        text = without_repeat(self.before(utterance), text, utterance.overlap)
        self._cut_off.pop(key, None)
        if utterance.forced:
            self._cut_off[key] = (utterance.end, text)
            if len(self._cut_off) > self._max_speakers:
                self._cut_off.popitem(last=False)
        return text


def without_repeat(before: str, text: str, seconds: float) -> str:
    """`text` without the words at its head that end `before`, as far as those of `seconds` of speech are alike."""
    longest = SPARE_TOKENS + round(TOKENS_PER_SECOND * seconds)
    tail, head = tokens_of(before)[-longest - 1 :], tokens_of(text)[: longest + 1]
    repeated = _repeated([token[0].casefold() for token in tail], [token[0].casefold() for token in head])
    return text[head[repeated - 1].end() :].lstrip(" ,.;:!?，。；：！？、") if repeated else text


def _repeated(old: Sequence[str], new: Sequence[str]) -> int:
    """How many tokens of `new` repeat the end of `old`: those of the pair of runs that have most in common.

    The cut may have left a piece of a word on either side, so a run of two tokens or more may leave out the last token
    of `old` and the first of `new`.
    """
    best, repeated = 0, 0
    for size in range(1, min(len(old), len(new)) + 1):
        for piece, skipped in product((0, 1), repeat=2) if size > 1 else ((0, 0),):
            ending, opening = old[len(old) - size - piece : len(old) - piece], new[skipped : skipped + size]
            if len(ending) == len(opening) == size and (likeness := _likeness(ending, opening)) > best:
                best, repeated = likeness, skipped + size
    return repeated


def words_left(words: tuple[Word, ...], text: str) -> tuple[Word, ...]:
    """The last of `words`, as many as stand in `text`."""
    left, letters = len(words), len("".join(text.split()))
    while left and letters > 0:
        left -= 1
        letters -= len("".join(words[left].text.split()))
    return words[left:]


def _likeness(one: Sequence[str], other: Sequence[str]) -> int:
    """Characters in common less those that differ; 0 for other words. The last must be alike in itself."""
    if not _alike(one[-1], other[-1]) or not _alike("".join(one), "".join(other)):
        return 0
    matcher = SequenceMatcher(None, "".join(one), "".join(other), autojunk=False)
    common = sum(block.size for block in matcher.get_matching_blocks())
    return 3 * common - sum(map(len, one)) - sum(map(len, other))


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE
