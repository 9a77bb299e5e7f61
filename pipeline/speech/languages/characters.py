"""Characters and words of all scripts, as regular expressions."""

import re

HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Chinese characters, for use inside a character class."""

UNSPACED = re.compile(rf"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff{HAN}]")
"""A letter of a script without spaces: Thai, Lao, Burmese, Khmer, kana, Chinese."""

SINGLE = rf"\u3040-\u30ff{HAN}"
TOKEN = re.compile(rf"[{SINGLE}]|[^\W{SINGLE}]+(?:['’][^\W{SINGLE}]+)*")
"""A Chinese character or kana, or a word of other scripts."""


def tokens_of(text: str) -> list[re.Match[str]]:
    return list(TOKEN.finditer(text))
