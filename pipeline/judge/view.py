"""A transcript as the classifier reads it: what differs from text to text without meaning anything is taken out."""

import re
from functools import cache

from opencc import OpenCC

from pipeline.judge.pinyin import has_han

LOOP = re.compile(r"(.{1,24}?)\1{3,}", re.DOTALL)
"""A piece said four times or more on end: stretched letters, or a recogniser that has lost its way."""
KEPT = r"\1\1"
MAX_TOKENS = 128
"""What a classifier reads of a text: an utterance is 15 s at most, and longer texts come in windows."""


def view(text: str) -> str:
    """`text` in simplified characters, with loops cut to two rounds and single spaces."""
    text = text.encode(errors="replace").decode()  # JSON may hold half a surrogate pair; tokenizers refuse it
    text = " ".join(LOOP.sub(KEPT, text).split())
    return _simplified(text) if has_han(text) else text


def _simplified(text: str) -> str:
    """著 is 着 where the rest is Traditional, as Whisper often writes; Simplified text has words with it (土著)."""
    simple: str = _converter("t2s").convert(text)
    return simple if simple == text else str(_converter("tw2s").convert(text))


@cache
def _converter(tables: str) -> OpenCC:
    return OpenCC(tables)
