"""Scores of what may have been said: the text, and the recogniser's alternatives beside it.

Where a word was misheard, another reading often has it right. The scores are the mean of the readings' logits, each
weighted by how likely some tokens of it are: a beam's readings all count, the likelier ones more, a wild guess little.
"""

import math
from collections.abc import Mapping, Sequence

from pipeline.judge.classifier import Classifier
from pipeline.judge.windows import classify as classify_texts
from pipeline.messages import Transcript

SURE = 1e-6
"""Probabilities are held so far from 0 and 1, whose logits are infinite."""
LEAST = 1e-6
"""The smallest probability of a token that counts."""
TOKENS = 4
"""Whose probability is a reading's weight. Recognisers give the mean of a token's, by which all count nearly alike. Two
to nine ranked misheard Mandarin better than one does; the likeliest reading alone ranked worse."""


def classify(classifier: Classifier, batch: Sequence[Transcript]) -> list[dict[str, float]]:
    """Each transcript's probability of each label and `risk`; nothing where its text is blank."""
    readings = [readings_of(transcript) for transcript in batch]
    texts = [text for found in readings for text in found]
    languages = [transcript.language for transcript, found in zip(batch, readings, strict=True) for _ in found]
    scores = iter(classify_texts(classifier, texts, languages))
    return [mean([next(scores) for _ in found], [*found.values()]) for found in readings]


def readings_of(transcript: Transcript) -> dict[str, float]:
    """Each different reading with its weight. For a blank text none is taken: nothing could be shown."""
    found = {transcript.text: _weight(transcript.confidence)}
    if transcript.text.strip():
        for other in transcript.alternatives:
            if other.text.strip():
                found[other.text] = found.get(other.text, 0.0) + _weight(math.exp(min(other.score, 0.0)))
    return found


def _weight(probability: float) -> float:
    """Of a reading whose tokens have that probability, the mean."""
    return max(probability, LEAST) ** TOKENS


def mean(scores: Sequence[Mapping[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """The weighted mean of logits, as probabilities; one reading's scores stay as they are."""
    if len(scores) == 1:
        return dict(scores[0])
    total = sum(weights)
    return {
        label: _probability(sum(w * _logit(s[label]) for s, w in zip(scores, weights, strict=True)) / total)
        for label in scores[0]
    }


def _logit(probability: float) -> float:
    held = min(max(probability, SURE), 1 - SURE)
    return math.log(held / (1 - held))


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))
