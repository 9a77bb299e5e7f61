"""Text as a recogniser hands it over: words misheard, lost or doubled, few marks.

If a round trip of the text exists (`heard/`, made by training/speech/round_trips.py), one of its readings is taken.
Otherwise errors come from the training texts: characters, pairs of characters and Latin words are replaced by others
that sound alike, or by those heard elsewhere for the sound. Common words replace rare ones, as a recogniser does it.
"""

import re
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from pathlib import Path
from random import Random

from pypinyin import lazy_pinyin

from pipeline.judge.view import view
from training.classifier.confusions import confusions

HAN = re.compile(r"[㐀-鿿]")
HAN_PAIR = re.compile(r"(?=([㐀-鿿]{2}))")
LATIN = re.compile(r"[a-z']+")
PUNCTUATION = re.compile(r"[^\w\s'%$€£¥]+|_+")
SPARE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")

ROUND_TRIPS = Path(__file__).parent / "heard"
"""A file a language, a line a text: the text, and what a recogniser heard, with tabs between."""

NEARLY = 0.3
"""How likely a near sound (zh and z, n and l, -ng and -n; b and p in English) is beside the same, for equal counts."""
FIRST_RANK = 20
"""That of the most usual, so that it is misheard at all."""
USUAL_LENGTH = 13
"""Han characters of a text that is misheard at the mean rate. Half as many say half as much of what each could be:
really misheard are 18% of those in texts of 6, 11% in texts of 13, 8% in texts of 24."""
FEWEST = 2
"""What the texts have fewer times is as often a typing error as a word."""
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
    """How often a misheard text is misheard, and how."""

    rate: tuple[float, float]
    """Share of its units, the mean: beta-distributed over the texts. Some come out as they were said."""
    deleted: float
    """Share of the errors that are deletions."""
    doubled: float
    """Share of the errors that are insertions: what was said, twice."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of what. The defaults are what Whisper base makes of speech with echoes and noise, in Mandarin with its
    adapter and a little worse: texts of our sets get a character error rate of 0.13, a word error rate of 0.10."""

    misheard: float = 0.6
    """Share of the texts in which words are misheard."""
    bare: float = 0.75
    """Share of the texts, the misheard among them, that lose their punctuation and capitals, but for `marked` ones."""
    marked: float = 0.6
    """Share of the misheard Mandarin texts that keep their marks, as Whisper with an adapter writes them."""
    mandarin: Errors = Errors((1.0, 5.0), 0.04, 0.04)
    english: Errors = Errors((2.0, 3.0), 0.2, 0.05)
    """A third of the rate counts, as for Latin words in Mandarin."""
    rarity: float = 2 / 3
    """A Han character is misheard as often as its rank among the usual ones to this power: the thirty most usual were
    really misheard once in fifty times, those beyond the 1,500th more often than not."""
    confused: float = 0.2
    """Share of the other errors, in Mandarin, that have a sound which was really heard for what was said."""
    real: float = 0.8
    """Share of what was really heard, where it was, among the misheard texts."""


HEARD = Noise()


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be heard for one sound."""

    options: Sequence[str]
    weights: Sequence[float]
    """How likely each is, summed up from the first."""

    def pick(self, random: Random) -> str:
        return self.options[bisect(self.weights, random.random() * self.weights[-1])]


class Mishearing:
    """Makes the noise; the same seed makes the same noise."""

    def __init__(
        self,
        texts: Iterable[str],
        noise: Noise = HEARD,
        seed: int = 0,
        heard: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._noise = noise
        self._really = heard or {}
        self._random = Random(seed)
        han, latin = _counts(texts)
        self._rarity = _rarity(han, noise.rarity)
        self._han = alike(han, pinyin, near_pinyin)
        self._confused = _confused(self._really)
        self._latin = alike(latin, consonants, voiceless)

    def __call__(self, text: str) -> str:
        chance = self._random.random()
        if chance >= self._noise.bare:
            return text
        if chance < self._noise.misheard:
            return self._misheard(text) or text
        return bare(text) or text

    def _misheard(self, text: str) -> str:
        """One of the readings that it really had, as they were written, where there are any; else as it might be."""
        if (found := self._really.get(text)) and self._random.random() < self._noise.real:
            return self._random.choice(found)
        if not (length := len(HAN.findall(text))):
            return self._mishear(bare(text), self._noise.english)
        marked = self._random.random() < self._noise.marked
        return self._mishear(text if marked else bare(text), self._noise.mandarin, sqrt(USUAL_LENGTH / length))

    def _mishear(self, text: str, errors: Errors, times: float = 1.0) -> str:
        rate = self._random.betavariate(*errors.rate) * times
        words = [self._word(word, rate, errors) for word in text.split()]
        return " ".join(filter(None, words))

    def _word(self, word: str, rate: float, errors: Errors) -> str:
        if HAN.search(word):
            return "".join(self._heard(unit, rate * self._rare(unit), errors) for unit in self._units(word))
        return self._heard(word, rate / 3, errors, " ")

    def _units(self, text: str) -> Iterator[str]:
        """Characters one by one or in pairs, as it comes."""
        at = 0
        while at < len(text):
            width = 1 + (self._random.random() < 0.5)
            yield text[at : at + width]
            at += width

    def _heard(self, unit: str, rate: float, errors: Errors, between: str = "") -> str:
        if self._random.random() >= rate:
            return unit
        chance = self._random.random()
        if chance < errors.deleted:
            return ""
        if chance < errors.deleted + errors.doubled:
            return unit + between + unit
        return self._swapped(unit)

    def _rare(self, unit: str) -> float:
        """How many times as often as others it is misheard."""
        return sum(self._rarity.get(char, 1.0) for char in unit) / len(unit)

    def _swapped(self, unit: str) -> str:
        """Another unit of about the same sound, where there is one."""
        choices = self._han.get(self._sound(unit)) if HAN.match(unit) else self._latin.get(consonants(unit))
        others = [choices.pick(self._random) for _ in range(3)] if choices else []
        if found := next((other for other in others if other != unit), None):
            return found
        return "".join(map(self._swapped, unit)) if len(unit) == 2 and HAN.search(unit) else unit

    def _sound(self, unit: str) -> str:
        """Its pinyin, or that of what one of its syllables may be taken for."""
        said = [*map(syllable, unit)]
        if self._random.random() < self._noise.confused:
            at = self._random.randrange(len(said))
            if others := self._confused.get(said[at]):
                said[at] = others.pick(self._random)
        return " ".join(said)


def hearing(texts: Iterable[str], seed: int) -> Mishearing:
    """The ear that training has."""
    return Mishearing(texts, HEARD, seed, round_trips())


def round_trips(folder: Path = ROUND_TRIPS) -> Mapping[str, Sequence[str]]:
    """What was heard for each text that was spoken, all of it as the classifier views it."""
    lines = (line.split("\t") for path in sorted(folder.glob("*.tsv")) for line in path.read_text("utf-8").splitlines())
    found: dict[str, list[str]] = defaultdict(list)
    for text, *heard in lines:
        found[view(text)] += map(view, heard)
    return {text: heard for text, heard in found.items() if heard}


def _confused(heard: Mapping[str, Sequence[str]]) -> Mapping[str, Choices]:
    """Syllable → those that were heard for it, though they sound otherwise."""
    pairs = ((_syllables(text), _syllables(reading)) for text, readings in heard.items() for reading in readings)
    return {said: Choices([*others], [*accumulate(others.values())]) for said, others in confusions(pairs).items()}


def _syllables(text: str) -> list[str]:
    return [syllable(char) for char in HAN.findall(text)]


def bare(text: str) -> str:
    """`text` in lower case without punctuation; apostrophes inside words stay, as recognisers write them."""
    return " ".join(SPARE_APOSTROPHE.sub(" ", PUNCTUATION.sub(" ", text.lower().replace("’", "'"))).split())


def alike(counts: Mapping[str, int], sound: Callable[[str], str], near: Callable[[str], str]) -> Mapping[str, Choices]:
    """Sound → the units of `counts` that have it or one near it."""
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
    """Toneless pinyin of a Han character; other characters sound like themselves."""
    return lazy_pinyin(char)[0] if HAN.match(char) else char


def pinyin(unit: str) -> str:
    return " ".join(map(syllable, unit))


def near_pinyin(sound: str) -> str:
    """What remains of a sound where zh is z, n is l, and -ng is -n."""
    for pattern, code in FOLDED:
        sound = pattern.sub(code, sound)
    return sound


@lru_cache(maxsize=65_536)
def consonants(word: str) -> str:
    """The sound of a Latin word, roughly: its consonants, and whether it starts with a vowel."""
    for pattern, code in SPELLING:
        word = pattern.sub(code, word)
    return word


def voiceless(sound: str) -> str:
    return sound.translate(VOICELESS)


def _counts(texts: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """How often `texts` have each character and pair of characters, and each Latin word."""
    han: Counter[str] = Counter()
    latin: Counter[str] = Counter()
    for text in texts:
        han.update(HAN.findall(text))
        han.update(HAN_PAIR.findall(text))
        latin.update(LATIN.findall(text.lower()))
    return _usual(han), _usual(latin)


def _rarity(counts: Mapping[str, int], power: float) -> Mapping[str, float]:
    """Character → how many times as often as the mean of all that is said it is misheard."""
    chars = sorted((unit for unit in counts if len(unit) == 1), key=lambda char: -counts[char])
    found = {char: rank**power for rank, char in enumerate(chars, FIRST_RANK)}
    mean = sum(found[char] * counts[char] for char in chars) / max(sum(counts[char] for char in chars), 1)
    return {char: value / mean for char, value in found.items()}


def _usual(counts: Counter[str]) -> dict[str, int]:
    return {unit: count for unit, count in counts.items() if count >= FEWEST}
