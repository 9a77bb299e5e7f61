"""Sounds among the words of cases. The index holds a sound as `sound.KIND NAME`, which nobody says.

Pages name the kind in the reader's language. So a phrase that is a part of such a name also asks for the kind.
"""

from collections.abc import Collection, Iterator, Mapping

from pipeline.contract.messages import HeardSound
from pipeline.review.search.grams import fold

Names = Mapping[str, Collection[str]]
"""The names of each kind of sound, folded, in all languages."""
EDGE = ": "
"""Stands between a kind and the name of a sound."""


def sound_words(sound: HeardSound) -> str:
    """Return a sound as the index holds it."""
    return f"{_kind(sound.kind)} {fold(sound.name)}".rstrip()


def sound_phrases(phrase: str, names: Names) -> Iterator[str]:
    """Yield the phrases that find the sounds whose name, as it is shown, has the folded `phrase`."""
    for kind, known in names.items():
        if any(phrase.strip(EDGE) in name for name in known):
            yield _kind(kind)
        for name in known:
            start = name.strip(EDGE)
            if phrase.startswith(start) and (rest := phrase.removeprefix(start).strip(EDGE)):
                yield f"{_kind(kind)} {rest}"


def _kind(kind: str) -> str:
    return f"sound.{kind}"
