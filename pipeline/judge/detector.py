"""Runs the classifier and the lexicon matcher on transcripts, before any policy decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.judge.classifier import Classifier
from pipeline.judge.matcher import Match, Matcher
from pipeline.judge.readings import classify
from pipeline.messages import Transcript


@dataclass(frozen=True, slots=True)
class Detection:
    """The classifier's scores and the lexicon matches of one transcript."""

    scores: Mapping[str, float]
    matches: Sequence[Match]


class Detector:
    """Classifier and lexicons. The classifier scores every reading; the lexicons search the displayed text only."""

    def __init__(self, classifier: Classifier, matcher: Matcher) -> None:
        self._classifier = classifier
        self._matcher = matcher
        self.model = classifier.name

    def detect(self, batch: Sequence[Transcript]) -> list[Detection]:
        """One detection for each transcript, in order."""
        scores = classify(self._classifier, batch)
        return [
            Detection(found, self._matcher.find(transcript.text))
            for transcript, found in zip(batch, scores, strict=True)
        ]
