"""Scores texts of any length. A classifier has a length limit, so a long text is split into windows."""

from collections.abc import Mapping, Sequence

from pipeline.judge.classifier import Classifier
from pipeline.judge.conversation_text import joined
from pipeline.speech.languages.writing_systems import UNSPACED

WINDOW = {True: 110, False: 400}
"""Characters in about 120 tokens, by whether the text has a script without spaces. Utterances are rarely longer."""
OVERLAP = 0.2


def classify(classifier: Classifier, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
    """Each text's probability of each label and `risk`: the highest of its windows; empty for a blank text."""
    pieces = [(place, piece) for place, text in enumerate(texts) for piece in windows(joined(text))]
    found: list[dict[str, float]] = [{} for _ in texts]
    if pieces:
        scores = classifier.classify([piece for _, piece in pieces], [languages[place] for place, _ in pieces])
        for (place, _), score in zip(pieces, scores, strict=True):
            found[place] = highest(found[place], score)
    return found


def windows(text: str) -> list[str]:
    """`text` in overlapping pieces. A short text is one piece; a blank one has none."""
    if not text.strip():
        return []
    width = WINDOW[UNSPACED.search(text) is not None]
    step = int(width * (1 - OVERLAP))
    return [text[start : start + width] for start in range(0, max(1, len(text) - width + step), step)]


def highest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {label: max(one.get(label, 0.0), other.get(label, 0.0)) for label in {**one, **other}}
