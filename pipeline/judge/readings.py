"""Scores a transcript from all its readings: the text and the recogniser's alternatives.

If the text has a misheard word, another reading often has it right. The score is the weighted mean of the readings'
logits. A likelier reading weighs more, and an unlikely one weighs little.
"""

import math
from collections.abc import Mapping, Sequence

from pipeline.contract.messages import Transcript
from pipeline.judge.classifier import Classifier
from pipeline.judge.windows import classify as classify_texts

SURE = 1e-6
"""Probabilities are clipped to this distance from 0 and 1, where logits are infinite."""
LEAST = 1e-6
"""The lowest token probability that is used."""
TOKENS = 4
"""A reading's weight is its token probability to this power. Recognisers give the mean probability of a token, which is
nearly equal for all readings. Powers of 2 to 9 rank misheard Mandarin better than 1. Using only the likeliest reading
ranks worse.
"""


def classify(classifier: Classifier, batch: Sequence[Transcript]) -> list[dict[str, float]]:
    """The probability of each label and of `risk` for each transcript; empty for a blank text."""
    readings = [readings_of(transcript) for transcript in batch]
    texts = [text for found in readings for text in found]
    languages = [transcript.language for transcript, found in zip(batch, readings, strict=True) for _ in found]
    scores = iter(classify_texts(classifier, texts, languages))
    return [mean([next(scores) for _ in found], [*found.values()]) for found in readings]


def readings_of(transcript: Transcript) -> dict[str, float]:
    """Each different reading with its weight. A blank text has none, because a moderator could not see the reading."""
    found = {transcript.text: _weight(transcript.confidence)}
    if transcript.text.strip():
        for other in transcript.alternatives:
            if other.text.strip():
                found[other.text] = found.get(other.text, 0.0) + _weight(math.exp(min(other.score, 0.0)))
    return found


def _weight(probability: float) -> float:
    """The weight of a reading with this mean token probability."""
    return max(probability, LEAST) ** TOKENS


def mean(scores: Sequence[Mapping[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """The weighted mean of logits, as probabilities. The scores of a single reading do not change."""
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
