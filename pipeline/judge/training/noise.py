"""Text as a recogniser hands it over: no punctuation, no capitals, and homophones for Mandarin characters.

The homophones come from the training texts themselves, so a wrong character is as common as a recogniser's guess.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from pypinyin import lazy_pinyin

HAN = re.compile(r"[㐀-鿿]")
PUNCTUATION = re.compile(r"[^\w\s'%$€£¥]+|_+")
SPARE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of what; the defaults are light, for a model that learns its words from the same texts."""

    bare: float = 0.5
    """Share of the texts that lose their punctuation and capitals."""
    misheard: float = 0.5
    """Share of the texts in which words are misheard."""
    most: float = 0.15
    """Of such a text, at most this share of characters is swapped or, for English words, dropped."""


LIGHT = Noise()


class Mishearing:
    """Makes the noise; the same seed makes the same noise."""

    def __init__(self, texts: Iterable[str], noise: Noise = LIGHT, seed: int = 0) -> None:
        self._homophones = homophones(texts)
        self._noise = noise
        self._random = Random(seed)  # noqa: S311

    def __call__(self, text: str) -> str:
        chance = self._random.random
        if chance() < self._noise.bare:
            text = bare(text)
        if chance() >= self._noise.misheard:
            return text
        rate = chance() * self._noise.most
        if HAN.search(text):
            return "".join(self._mishear(char) if chance() < rate else char for char in text)
        return " ".join(word for word in text.split() if chance() >= rate / 2) or text

    def _mishear(self, char: str) -> str:
        characters, counts = self._homophones.get(sound(char), ((char,), (1,)))
        return self._random.choices(characters, counts)[0]


def bare(text: str) -> str:
    """`text` in lower case without punctuation; apostrophes inside words stay, as recognisers write them."""
    return " ".join(SPARE_APOSTROPHE.sub(" ", PUNCTUATION.sub(" ", text.lower().replace("’", "'"))).split())


@lru_cache(maxsize=32_768)
def sound(char: str) -> str:
    """Toneless pinyin of a Han character; other characters sound like themselves."""
    return lazy_pinyin(char)[0] if HAN.match(char) else char


def homophones(texts: Iterable[str]) -> Mapping[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Sound → the characters of `texts` that have it, with their counts."""
    counts = Counter(char for text in texts for char in text if HAN.match(char))
    sounds: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for char, count in sorted(counts.items()):
        sounds[sound(char)].append((char, count))
    return {key: (tuple(char for char, _ in found), tuple(n for _, n in found)) for key, found in sounds.items()}
