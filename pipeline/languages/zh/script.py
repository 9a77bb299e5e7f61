"""Chinese characters: Traditional becomes Simplified, and characters are compared by their toneless pinyin."""

from functools import cache
from typing import Any

from pipeline.languages.script import Script
from pipeline.languages.zh import pinyin


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

    def sounds(self, text: str) -> str:
        return pinyin.sounds(text)

    def readings(self, term: str) -> set[str]:
        return pinyin.readings(term) if pinyin.has_han(term) else set()

    def syllables(self, term: str) -> int:
        return pinyin.han_count(term)


SCRIPT = ChineseScript()


def _convert(tables: str, text: str) -> str:
    converted: str = _converter(tables).convert(text)
    return converted


@cache
def _converter(tables: str) -> Any:
    from opencc import OpenCC

    return OpenCC(tables)
