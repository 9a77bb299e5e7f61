"""A transcript as the classifier reads it: what differs from text to text without meaning anything is taken out."""

import re

from pipeline import languages

LOOP = re.compile(r"(.{1,24}?)\1{3,}", re.DOTALL)
"""A piece said four times or more on end: stretched letters, or a recogniser that has lost its way."""
KEPT = r"\1\1"
MAX_TOKENS = 128
"""What a classifier reads of a text: an utterance is 15 s at most, and longer texts come in windows."""


def view(text: str) -> str:
    """`text` in simplified characters, with loops cut to two rounds and single spaces."""
    text = text.encode(errors="replace").decode()  # JSON may hold half a surrogate pair; tokenizers refuse it
    text = " ".join(LOOP.sub(KEPT, text).split())
    for script in languages.scripts():
        text = script.converted(text) if script.is_in(text) else text
    return text
