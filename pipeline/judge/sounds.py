"""Mandarin spelt by sound: a second view of a sentence, which the classifier reads as it reads the first.

A recogniser that mishears writes another character of the same sound, or of a near one. As characters that is another
word; spelt by sound it is the same.
"""

import re

from pipeline.judge.normalise import HAN
from pipeline.judge.pinyin import has_han
from pipeline.judge.view import view

MARK = "·"
"""Stands before each syllable: no word of another language is taken for one."""

_WORD = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
_SPELT = re.compile(rf"(?<={MARK})[^{MARK}\s]+")


def spelt(text: str) -> str:
    """`text` without punctuation and capitals, its Chinese characters as toneless syllables: `·jin·tian ok`."""
    return " ".join(
        "".join(MARK + _SYLLABLES[character] for character in word) if has_han(word) else word
        for word in _WORD.findall(view(text).lower())
    )


def syllables(text: str) -> list[str]:
    """Those of its Chinese characters, or that it is spelt with."""
    return _SPELT.findall(text if MARK in text else spelt(text))


def syllable(character: str) -> str:
    """A Chinese character's toneless sound; other characters stay."""
    from pypinyin import lazy_pinyin

    sound: str = lazy_pinyin(character)[0]
    return sound


class _Syllables(dict[str, str]):
    """Characters are remembered."""

    def __missing__(self, character: str) -> str:
        self[character] = found = syllable(character)
        return found


_SYLLABLES = _Syllables()
