"""Characters and words of all scripts, as regular expressions."""

import re

# Extension A and the common characters; compatibility forms; extensions B to G.
HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Chinese characters, for use inside a character class."""

UNSPACED = re.compile(rf"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff{HAN}]")
"""A letter of a script without spaces: Thai, Lao, Burmese, Khmer, kana, Chinese."""

SINGLE = rf"\u3040-\u30ff{HAN}"
# An apostrophe inside a word belongs to it, as in `don't`.
TOKEN = re.compile(rf"[{SINGLE}]|[^\W{SINGLE}]+(?:['’][^\W{SINGLE}]+)*")
"""A Chinese character or kana, or a word of other scripts."""

OPENING = "\"'“¿([{-《「"
"""Punctuation that belongs to the next word."""


def tokens_of(text: str) -> list[re.Match[str]]:
    return list(TOKEN.finditer(text))


class Script:
    """Base class. A subclass overrides the methods that its script needs."""

    language: str
    """The code of the language of a text in this script, if nothing else tells it."""

    def is_in(self, text: str) -> bool:
        """Whether `text` has characters of this script."""
        raise NotImplementedError

    def fold(self, text: str) -> str:
        """One character, or its parts, with spelling variants as one. Folding twice changes nothing."""
        return text

    def converted(self, text: str) -> str:
        """A whole text in this script, in the variant that the classifier knows."""
        return text

    def written(self, text: str, variant: str) -> str:
        """A recognised text as moderators read it, in a variant of the script: a value of `asr.chinese`.

        It has as many characters as `text`, so that words and their times stay in their places.
        """
        del variant
        return text

    def sounds(self, text: str) -> str:
        """Replace each character of this script by its sound, e.g. its toneless pinyin. `text` must be folded.

        Each sound is one character. So the result has as many characters as `text`, at the same positions.
        """
        return text

    def readings(self, term: str) -> set[str]:
        """The sounds that a folded term can have. Empty: terms of this script are not matched by sound."""
        del term
        return set()

    def syllables(self, term: str) -> int:
        """How many syllables of `term` can be matched by sound."""
        del term
        return 0
