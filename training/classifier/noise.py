"""Adds recognition errors to a text: words are misheard, lost or doubled, and case and punctuation change.

If the text has a round trip (`heard/`, made by training/speech/), one of its readings is used. Otherwise
errors come from the training texts: characters, pairs of characters and Latin words are replaced by others that sound
alike, or by sounds that were really heard for them. Common words replace rare ones, as a recogniser does it.

Then the text keeps its marks, or is bare, because recognisers write few.
"""

import re
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from pathlib import Path
from random import Random

from pypinyin import lazy_pinyin

from pipeline.judge.classifier_text import view

HAN = re.compile(r"[㐀-鿿]")
HAN_PAIR = re.compile(r"(?=([㐀-鿿]{2}))")
LATIN = re.compile(r"[a-z']+")
PUNCTUATION = re.compile(r"[^\w\s'%$€£¥]+|_+")
EDGES = re.compile(r"(\W*)(.*?)(\W*)")
SPARE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")

ROUND_TRIPS = Path(__file__).parent / "heard"
"""One file for each language, one line for each text: the text and its readings, separated by tabs."""

NEARLY = 0.3
"""Relative probability of a similar sound (zh/z, n/l, -ng/-n; English b/p) against the same sound, at equal counts."""
FIRST_RANK = 20
"""The lowest rank used for the error rate, so that the most common characters are also misheard."""
USUAL_LENGTH = 13
"""Number of Chinese characters in a text with the mean error rate. Shorter texts give less context and are misheard
more: real rates are 18% in texts of 6, 11% in texts of 13, and 8% in texts of 24.
"""
FEWEST = 2
"""Rarer units are ignored, because they are often typing errors."""
FOLDED = tuple((re.compile(pattern), code) for pattern, code in ((r"\b([zcs])h", r"\1"), (r"\bn", "l"), (r"ng\b", "n")))
SPELLING = tuple(
    (re.compile(pattern), code)
    for pattern, code in (
        ("'", ""),
        ("^[kg]n", "n"),
        ("^wr", "r"),
        ("ph", "f"),
        ("gh", ""),
        ("c(?=[eiy])", "s"),
        ("[cq]", "k"),
        ("x", "ks"),
        ("th", "t"),
        ("(?<=.)[aeiouyhw]", ""),
        ("^[aeiou]", "a"),
        (r"(.)\1+", r"\1"),
    )
)
VOICELESS = str.maketrans("bdgjvz", "ptkcfs")


@dataclass(frozen=True, slots=True)
class Errors:
    """Rate and kinds of errors in a misheard text."""

    rate: tuple[float, float]
    """Beta distribution of the share of wrong units in a text. Some texts have no error."""
    deleted: float
    """Share of the errors that are deletions."""
    doubled: float
    """Share of the errors that are insertions: a repeated unit."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Rates of each kind of noise.

    The defaults are slightly above the errors of Whisper base on speech with echo and noise, in Mandarin with its
    adapter: a character error rate of 0.13 and a word error rate of 0.10 on our sets.
    """

    misheard: float = 0.6
    """Share of the texts with misheard words."""
    bare: float = 0.5
    """Share of all texts that lose their marks. The classifier sees no capitals in any text."""
    mandarin: Errors = Errors((1.0, 5.0), 0.04, 0.04)
    english: Errors = Errors((2.0, 3.0), 0.2, 0.05)
    """A third of this rate applies, also to Latin words inside Mandarin."""
    rarity: float = 2 / 3
    """The error rate of a Chinese character grows with its frequency rank to this power. In real transcripts the thirty
    most common are wrong once in fifty times, and those beyond rank 1,500 more often than not.
    """
    confused: float = 0.2
    """Share of the other Mandarin errors that use a sound which was really heard for the spoken one."""
    real: float = 0.8
    """Share of misheard texts that use a real reading, if the text has one."""


USUAL = Noise()


@dataclass(frozen=True, slots=True)
class Choices:
    """The possible replacements for one sound."""

    options: Sequence[str]
    weights: Sequence[float]
    """Cumulative weights of the choices."""

    def pick(self, random: Random) -> str:
        return self.options[bisect(self.weights, random.random() * self.weights[-1])]


class Mishearing:
    """Adds the noise. The same seed gives the same noise."""

    def __init__(
        self,
        texts: Iterable[str],
        noise: Noise = USUAL,
        seed: int = 0,
        readings: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._noise = noise
        self._really = readings or {}
        self._random = Random(seed)
        han, latin = _counts(texts)
        self._rarity = _rarity(han, noise.rarity)
        self._han = alike(han, pinyin, near_pinyin)
        self._confused = _confused(self._really)
        self._latin = alike(latin, consonants, voiceless)

    def __call__(self, text: str) -> str:
        return self.formed(self.misheard(text))

    def misheard(self, text: str) -> str:
        """`text`, at random with misheard words."""
        return self._misheard(text) or text if self._random.random() < self._noise.misheard else text

    def formed(self, text: str) -> str:
        """`text` as it is, or bare, at random."""
        return bare(text) or text if self._random.random() < self._noise.bare else text

    def _misheard(self, text: str) -> str:
        """One of the text's real readings, as they were written, if it has any; else a simulated one."""
        if (found := self._really.get(text)) and self._random.random() < self._noise.real:
            return self._random.choice(found)
        if not (length := len(HAN.findall(text))):
            return self._mishear(text, self._noise.english)
        return self._mishear(text, self._noise.mandarin, sqrt(USUAL_LENGTH / length))

    def _mishear(self, text: str, errors: Errors, times: float = 1.0) -> str:
        rate = self._random.betavariate(*errors.rate) * times
        words = [self._word(word, rate, errors) for word in text.split()]
        return " ".join(filter(None, words))

    def _word(self, word: str, rate: float, errors: Errors) -> str:
        if HAN.search(word):
            return "".join(self._with_errors(unit, rate * self._rare(unit), errors) for unit in self._units(word))
        return self._with_errors(word, rate / 3, errors, " ")

    def _units(self, text: str) -> Iterator[str]:
        """Single characters or pairs, at random."""
        at = 0
        while at < len(text):
            width = 1 + (self._random.random() < 0.5)
            yield text[at : at + width]
            at += width

    def _with_errors(self, unit: str, rate: float, errors: Errors, between: str = "") -> str:
        if self._random.random() >= rate:
            return unit
        chance = self._random.random()
        if chance < errors.deleted:
            return ""
        if chance < errors.deleted + errors.doubled:
            return unit + between + unit
        return self._swapped(unit)

    def _rare(self, unit: str) -> float:
        """How much more often than the mean the unit is misheard."""
        return sum(self._rarity.get(char, 1.0) for char in unit) / len(unit)

    def _swapped(self, unit: str) -> str:
        """Another unit with the same or a similar sound, if there is one."""
        if not HAN.search(unit):
            return self._swapped_word(unit)
        if found := self._other(self._han.get(self._sound(unit)) if HAN.match(unit) else None, unit):
            return found
        return "".join(map(self._swapped, unit)) if len(unit) == 2 else unit

    def _swapped_word(self, word: str) -> str:
        """Another Latin word with the same or a similar sound, between the same marks, with the same first case."""
        before, core, after = EDGES.fullmatch(word).groups()  # type: ignore[union-attr]  # it matches every word
        other = self._other(self._latin.get(consonants(core.lower())), core.lower())
        if not (core and other):
            return word
        return before + (other.capitalize() if core[0].isupper() else other) + after

    def _other(self, choices: Choices | None, unit: str) -> str | None:
        """A choice that is not `unit`, if one is found soon."""
        others = [choices.pick(self._random) for _ in range(3)] if choices else []
        return next((other for other in others if other != unit), None)

    def _sound(self, unit: str) -> str:
        """The unit's pinyin. One syllable may be replaced by one that it is confused with."""
        syllables = [*map(syllable, unit)]
        if self._random.random() < self._noise.confused:
            at = self._random.randrange(len(syllables))
            if others := self._confused.get(syllables[at]):
                syllables[at] = others.pick(self._random)
        return " ".join(syllables)


def hearing(texts: Iterable[str], seed: int) -> Mishearing:
    """The noise that training uses."""
    return Mishearing(texts, USUAL, seed, round_trips())


def round_trips(folder: Path = ROUND_TRIPS) -> Mapping[str, Sequence[str]]:
    """The readings of each spoken text, prepared as the classifier sees them."""
    lines = (line.split("\t") for path in sorted(folder.glob("*.tsv")) for line in path.read_text("utf-8").splitlines())
    found: dict[str, list[str]] = defaultdict(list)
    for text, *readings in lines:
        found[view(text)] += map(view, readings)
    return {text: readings for text, readings in found.items() if readings}


def _confused(readings: Mapping[str, Sequence[str]]) -> Mapping[str, Choices]:
    """For each syllable, the other syllables that were heard for it.

    A third of the wrong characters have another sound that no rule about accents predicts: 谁 as 水, 了 as 脸.
    """
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for text, several in readings.items():
        for reading in several:
            for one, other in _swapped(_syllables(text), _syllables(reading)):
                found[one][other] += 1
    return {one: Choices([*others], [*accumulate(others.values())]) for one, others in found.items()}


def _swapped(spoken: Sequence[str], heard: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Differing stretches of equal length. In others, it is unknown which syllable became which."""
    for kind, start, end, at, to in SequenceMatcher(None, spoken, heard, autojunk=False).get_opcodes():
        if kind == "replace" and end - start == to - at:
            yield from zip(spoken[start:end], heard[at:to], strict=True)


def _syllables(text: str) -> list[str]:
    return [syllable(char) for char in HAN.findall(text)]


def bare(text: str) -> str:
    """`text` in lower case without punctuation. Apostrophes inside words stay, as recognisers write them."""
    return " ".join(SPARE_APOSTROPHE.sub(" ", PUNCTUATION.sub(" ", text.lower().replace("’", "'"))).split())


def alike(counts: Mapping[str, int], sound: Callable[[str], str], near: Callable[[str], str]) -> Mapping[str, Choices]:
    """For each sound, the units of `counts` with this or a similar sound."""
    groups: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for unit, count in counts.items():
        key = sound(unit)
        groups[near(key)].append((key, unit, count))
    return {
        key: Choices(
            [unit for _, unit, _ in group],
            [*accumulate(count * (1.0 if other == key else NEARLY) for other, _, count in group)],
        )
        for group in groups.values()
        for key in {key for key, _, _ in group}
    }


@lru_cache(maxsize=32_768)
def syllable(char: str) -> str:
    """Toneless pinyin of a Chinese character; other characters are their own sound."""
    return lazy_pinyin(char)[0] if HAN.match(char) else char


def pinyin(unit: str) -> str:
    return " ".join(map(syllable, unit))


def near_pinyin(sound: str) -> str:
    """A sound with zh merged into z, n into l, and -ng into -n."""
    for pattern, code in FOLDED:
        sound = pattern.sub(code, sound)
    return sound


@lru_cache(maxsize=65_536)
def consonants(word: str) -> str:
    """The rough sound of a Latin word: its consonants, and whether it starts with a vowel."""
    for pattern, code in SPELLING:
        word = pattern.sub(code, word)
    return word


def voiceless(sound: str) -> str:
    return sound.translate(VOICELESS)


def _counts(texts: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """How often `texts` contain each character, each pair of characters, and each Latin word."""
    han: Counter[str] = Counter()
    latin: Counter[str] = Counter()
    for text in texts:
        han.update(HAN.findall(text))
        han.update(HAN_PAIR.findall(text))
        latin.update(LATIN.findall(text.lower()))
    return _usual(han), _usual(latin)


def _rarity(counts: Mapping[str, int], power: float) -> Mapping[str, float]:
    """For each character, its error rate relative to the mean over all speech."""
    chars = sorted((unit for unit in counts if len(unit) == 1), key=lambda char: -counts[char])
    found = {char: rank**power for rank, char in enumerate(chars, FIRST_RANK)}
    mean = sum(found[char] * counts[char] for char in chars) / max(sum(counts[char] for char in chars), 1)
    return {char: value / mean for char, value in found.items()}


def _usual(counts: Counter[str]) -> dict[str, int]:
    return {unit: count for unit, count in counts.items() if count >= FEWEST}
