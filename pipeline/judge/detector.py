"""What the classifier and the lexicons detect in transcripts, before any policy looks at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.judge.classifier import Classifier
from pipeline.judge.matcher import Match, Matcher
from pipeline.judge.readings import classify
from pipeline.messages import Transcript


@dataclass(frozen=True, slots=True)
class Detection:
    """The classifier's scores and the lexicons' matches, before any policy."""

    scores: Mapping[str, float]
    matches: Sequence[Match]


class Detector:
    """Classifier and lexicons. The classifier reads every reading; the lexicons search the text that people see."""

    def __init__(self, classifier: Classifier, matcher: Matcher) -> None:
        self._classifier = classifier
        self._matcher = matcher
        self.model = classifier.name

    def detect(self, batch: Sequence[Transcript]) -> list[Detection]:
        """One for each transcript, in order."""
        scores = classify(self._classifier, batch)
        return [
            Detection(found, self._matcher.find(transcript.text))
            for transcript, found in zip(batch, scores, strict=True)
        ]
