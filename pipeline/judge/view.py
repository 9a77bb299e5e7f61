"""Prepares a transcript for the classifier: removes differences that carry no meaning."""

import re

from pipeline.speech import languages

LOOP = re.compile(r"(.{1,24}?)\1{3,}", re.DOTALL)
"""A piece that is repeated four times or more: stretched letters, or a looping recogniser."""
TWO_ROUNDS = r"\1\1"
MAX_TOKENS = 128
"""The classifier's limit for one text. An utterance has at most 15 s. Longer texts are split into windows."""


def view(text: str) -> str:
    """`text` in simplified characters, with loops cut to two rounds, and single spaces."""
    text = text.encode(errors="replace").decode()  # JSON may hold half a surrogate pair, which tokenizers refuse.
    text = " ".join(LOOP.sub(TWO_ROUNDS, text).split())
    for script in languages.scripts():
        text = script.converted(text) if script.is_in(text) else text
    return text
