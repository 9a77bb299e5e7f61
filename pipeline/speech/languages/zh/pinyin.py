"""Chinese by sound. Recognisers confuse homophones, so terms are also matched by their toneless pinyin.

Each syllable is one private-use character. A text by sound has the same length and positions as the text, so the same
matcher handles both.
"""

import re
from itertools import count

from pipeline.speech.languages.writing_systems import HAN

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
        from pypinyin import lazy_pinyin

        sound = _code(lazy_pinyin(character)[0]) if _HAN.match(character) else character
        self[character] = sound
        return sound


_SOUNDS = _Sounds()


_CODES: dict[str, str] = {}
_next_code = count(0xE000)


def _code(syllable: str) -> str:
    """One private-use character for each syllable, assigned at its first use. Thread-safe."""
    return _CODES.setdefault(syllable, chr(next(_next_code)))
