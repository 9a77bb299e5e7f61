"""Scores utterances together with the speech before them, if the classifier was trained to read both.

A threat may be cut in two by a pause, and an answer may only be risky as an answer. Reading costs time, so only
utterances whose own score is neither very low nor very high are read again.
"""

from collections.abc import Mapping, Sequence

from pipeline.judge.classifier import Classifier
from pipeline.judge.conversations import Before
from pipeline.judge.turns import joined
from pipeline.judge.windows import windows
from pipeline.messages import Transcript

LEAST = 0.1
"""The lowest `risk` of an utterance that is read in context. A quarter of ordinary talk has it."""
MOST = 0.985
"""At this `risk`, the utterance is flagged anyway."""

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
    texts = {at: _text(*each) for at, each in enumerate(zip(batch, before, alone, strict=True)) if _is_worth(*each)}
    languages = [batch[at].language for at in texts]
    for at, scores in zip(texts, classifier.classify([*texts.values()], languages), strict=True):
        found[at] = scores
    return found


def _is_worth(transcript: Transcript, before: Before, alone: Scores) -> bool:
    """A text of several windows has its context in itself."""
    likely = LEAST <= alone.get("risk", 0.0) < MOST
    return likely and bool(before.own or before.others) and len(windows(joined(transcript.text))) == 1


def _text(transcript: Transcript, before: Before, _alone: Scores) -> str:
    return joined(transcript.text, before.own_text, before.room_text)
