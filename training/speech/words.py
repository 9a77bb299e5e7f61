"""Normalises texts for error rates: English with Whisper's normaliser, Mandarin as simplified characters."""

from collections.abc import Callable
from functools import cache

from opencc import OpenCC


@cache
def normalisers() -> dict[str, Callable[[str], str]]:
    # PyTorch must be imported after pipeline has set OpenMP's environment.
    from whisper.normalizers import EnglishTextNormalizer

    return {"en": EnglishTextNormalizer(), "zh": characters}


def characters(text: str) -> str:
    """The letters and digits of a Mandarin text in simplified script, separated by spaces."""
    return " ".join(letter for letter in _simplified().convert(text).lower() if letter.isalnum())


@cache
def _simplified() -> OpenCC:
    return OpenCC("t2s")
