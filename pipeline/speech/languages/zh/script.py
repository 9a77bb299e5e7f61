"""Chinese characters: Traditional becomes Simplified, and characters are compared by their toneless pinyin."""

import re
from functools import cache
from typing import Any

from pipeline.speech.languages.writing_systems import HAN, Script
from pipeline.speech.languages.zh import pinyin

NARROW = re.compile(rf"[,?!:;](?=[{HAN}])|(?<=[{HAN}])[,.?!:;](?=[{HAN}]|\Z)")
"""A mark of half width beside a Han character. In `3.5` and `ok, go` it stays."""
WIDE = dict(zip(",.?!:;", "，。？！：；", strict=True))


class ChineseScript(Script):
    language = "zh"

    def is_in(self, text: str) -> bool:
        return pinyin.has_han(text)

    def fold(self, text: str) -> str:
        """Traditional characters as Simplified ones, by OpenCC's character table."""
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
        return pinyin.sounds(text)

    def readings(self, term: str) -> set[str]:
        return pinyin.readings(term) if pinyin.has_han(term) else set()

    def syllables(self, term: str) -> int:
        return pinyin.han_count(term)


SCRIPT = ChineseScript()


def _convert(tables: str, text: str) -> str:
    """`text` by OpenCC's `tables`. Its parts are converted one by one, because OpenCC stops at a zero byte."""
    return "\0".join(_converter(tables).convert(part) for part in text.split("\0"))


@cache
def _converter(tables: str) -> Any:
    from opencc import OpenCC

    return OpenCC(tables)
