"""Writes an utterance with the speech before it, as the classifier reads both.

The speech before it is cut from the front, so the words nearest to the utterance stay.
"""

from collections.abc import Mapping

from pipeline.speech.languages.writing_systems import UNSPACED

SEPARATOR = "</s>"
"""The encoder's mark between two texts. A transcript may not hold it, because it could pass for context."""
OWN: Mapping[bool, int] = {True: 30, False: 100}
"""Most characters of the speaker's own earlier words, by whether the script has no spaces: about 24 tokens."""
ROOM: Mapping[bool, int] = {True: 20, False: 60}
"""Most characters of the other speakers' last words: about 16 tokens."""


def joined(text: str, own: str = "", room: str = "") -> str:
    """`room`, then `own`, then `text`. Without context it is `text` alone."""
    parts = [apart(room, ROOM), apart(own, OWN), text.replace(SEPARATOR, " ")]
    return SEPARATOR.join(parts) if any(parts[:2]) else parts[2]


def utterance(joined_text: str) -> str:
    """The utterance alone, without the speech before it."""
    return joined_text.rpartition(SEPARATOR)[2]


def apart(text: str, most: Mapping[bool, int]) -> str:
    """The last characters of `text`. A word that would be cut is left out."""
    text = " ".join(text.replace(SEPARATOR, " ").split())
    width = most[UNSPACED.search(text) is not None]
    if len(text) <= width:
        return text
    first, _, rest = text[-width - 1 :].partition(" ")
    return rest if rest and len(first) < width // 2 else text[-width:]
