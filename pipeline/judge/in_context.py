"""Scores utterances together with the speech before them, if the classifier was trained to read both.

A threat may be cut in two by a pause, and an answer may only be risky as an answer. Reading costs time, so only
utterances whose own score is neither very low nor very high are read again.
"""

from collections.abc import Mapping, Sequence

from pipeline.contract.messages import Transcript
from pipeline.judge.classifier import Classifier
from pipeline.judge.conversation_text import with_context
from pipeline.judge.conversations import Before
from pipeline.judge.windows import windows

LEAST = 0.5
"""The lowest `risk` of an utterance that is read in context. With 0, every utterance would be read twice, and with this
value one of 24 utterances of ordinary English talk is (`python -m benchmarks.conversations --data DIR --validation`).
"""
MOST = 0.985
"""At this `risk`, the utterance speaks for itself."""

Scores = Mapping[str, float]


def classify(
    classifier: Classifier, batch: Sequence[Transcript], before: Sequence[Before], alone: Sequence[Scores]
) -> list[Scores]:
    """Scores of each utterance in its context; empty for those that are only scored alone.

    Only the first reading is scored. The recogniser's alternatives have the same context.
    """
    found: list[Scores] = [{} for _ in batch]
    if not classifier.context:
        return found
    places = [at for at, each in enumerate(zip(batch, before, alone, strict=True)) if _is_worth(*each)]
    texts = [with_context(batch[at].text, before[at].own_text, before[at].room_text) for at in places]
    languages = [batch[at].language for at in places]
    for at, scores in zip(places, classifier.classify(texts, languages), strict=True):
        found[at] = scores
    return found


def _is_worth(transcript: Transcript, before: Before, alone: Scores) -> bool:
    """A text of several windows has its context in itself."""
    likely = LEAST <= alone.get("risk", 0.0) < MOST
    return likely and bool(before.own or before.others) and len(windows(with_context(transcript.text))) == 1
