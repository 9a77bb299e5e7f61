"""Runs the classifier and the lexicon matcher on transcripts, before any policy decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.contract.messages import Transcript
from pipeline.judge import in_context
from pipeline.judge.classifier import Classifier
from pipeline.judge.conversations import Before
from pipeline.judge.matcher import Match, Matcher
from pipeline.judge.readings import classify


@dataclass(frozen=True, slots=True)
class Detection:
    """The classifier's scores and the lexicon matches of one transcript."""

    scores: Mapping[str, float]
    matches: Sequence[Match]
    in_context: Mapping[str, float] = field(default_factory=dict)
    """The scores together with the speech before it; empty if it was only scored alone."""
    before: Before | None = None
    """The speech before it."""


class Detector:
    """Classifier and lexicons. The classifier scores every reading; the lexicons search the displayed text only."""

    def __init__(self, classifier: Classifier, matcher: Matcher) -> None:
        self._classifier = classifier
        self._matcher = matcher
        self.model = classifier.name

    def detect(self, batch: Sequence[Transcript], before: Sequence[Before]) -> list[Detection]:
        """One detection for each transcript, in order. `before` is the speech before each of them."""
        alone = classify(self._classifier, batch)
        both = in_context.classify(self._classifier, batch, before, alone)
        matches = [self._matcher.find(transcript.text) for transcript in batch]
        return [*map(Detection, alone, matches, both, before)]
