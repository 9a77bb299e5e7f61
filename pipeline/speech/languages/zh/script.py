"""Chinese characters: Traditional becomes Simplified, and characters are compared by their toneless pinyin.

Recognisers confuse homophones, so terms are also matched by sound. Each syllable is one private-use character: a text
by sound has the same length and positions as the text, and the same matcher handles both.
"""

import re
from functools import cache
from itertools import count
from typing import Any

from pipeline.speech.languages.writing_systems import HAN, Script

_HAN = re.compile(f"[{HAN}]")


def sounds(text: str) -> str:
    """`text` (normalised) with each Chinese character replaced by its most common sound."""
    return "".join([_SOUNDS[character] for character in text])


def readings(term: str) -> set[str]:
    """The possible sounds of `term` (normalised): read as a phrase, and read character by character like texts."""
    from pypinyin import lazy_pinyin

    characters = _HAN.findall(term)
    syllables = lazy_pinyin("".join(characters))
    if len(syllables) != len(characters):  # rare characters without a reading are returned as one item
        return {sounds(term)}
    phrase = iter(syllables)
    return {sounds(term), _HAN.sub(lambda _: _code(next(phrase)), term)}


def has_han(text: str) -> bool:
    return _HAN.search(text) is not None


def han_count(text: str) -> int:
    return len(_HAN.findall(text))


class _Sounds(dict[str, str]):
    def __missing__(self, character: str) -> str:
        from pypinyin import lazy_pinyin  # loads large dictionaries, which only Chinese text needs

        sound = _code(lazy_pinyin(character)[0]) if _HAN.match(character) else character
        self[character] = sound
        return sound


_SOUNDS = _Sounds()


_CODES: dict[str, str] = {}
_next_code = count(0xE000)


def _code(syllable: str) -> str:
    """One private-use character for each syllable, assigned at its first use."""
    # Safe between threads: `next` and `setdefault` are atomic. A race only leaves one code unused.
    return _CODES.setdefault(syllable, chr(next(_next_code)))


NARROW = re.compile(rf"[,?!:;](?=[{HAN}])|(?<=[{HAN}])[,.?!:;](?=[{HAN}]|\Z)")
"""A mark of half width beside a Han character. In `3.5` and `ok, go` it stays."""
WIDE = dict(zip(",.?!:;", "，。？！：；", strict=True))


class ChineseScript(Script):
    language = "zh"

    def is_in(self, text: str) -> bool:
        return has_han(text)

    def fold(self, text: str) -> str:
        """Traditional characters as Simplified ones, by OpenCC's character table."""
        # Half a surrogate pair cannot be encoded for OpenCC.
        if all(character < "\u3400" or "\ud800" <= character <= "\udfff" for character in text):
            return text
        return _convert("t2s", text)

    def converted(self, text: str) -> str:
        """In Simplified characters.

        In Traditional text, Whisper often writes 着 as 著. Simplified text keeps 著, which is in words like 土著.
        """
        simple = _convert("t2s", text)
        return simple if simple == text else _convert("tw2s", text)

    def written(self, text: str, variant: str) -> str:
        """In one variant, with marks of full width: Whisper mixes both variants and both widths."""
        one = _convert("s2tw", text) if variant == "traditional" else self.converted(text)
        return NARROW.sub(lambda mark: WIDE[mark[0]], one)

    def sounds(self, text: str) -> str:
        return sounds(text)

    def readings(self, term: str) -> set[str]:
        return readings(term) if has_han(term) else set()

    def syllables(self, term: str) -> int:
        return han_count(term)


SCRIPT = ChineseScript()


def _convert(tables: str, text: str) -> str:
    """`text` by OpenCC's `tables`. Its parts are converted one by one, because OpenCC stops at a zero byte."""
    return "\0".join(_converter(tables).convert(part) for part in text.split("\0"))


@cache
def _converter(tables: str) -> Any:
    from opencc import OpenCC

    return OpenCC(tables)
