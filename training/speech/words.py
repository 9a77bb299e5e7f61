"""Texts as error rates compare them: English by Whisper's normaliser, Mandarin by characters in simplified script."""

from collections.abc import Callable
from functools import cache

from opencc import OpenCC


def normalisers() -> dict[str, Callable[[str], str]]:
    from whisper.normalizers import EnglishTextNormalizer  # PyTorch must not come before pipeline's OpenMP settings

    return {"en": EnglishTextNormalizer(), "zh": characters}


def characters(text: str) -> str:
    """The letters and digits of a Mandarin text in simplified script, with spaces between."""
    return " ".join(letter for letter in _simplified().convert(text).lower() if letter.isalnum())


@cache
def _simplified() -> OpenCC:
    return OpenCC("t2s")
