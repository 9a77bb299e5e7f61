"""The compared systems: the whole judge, its classifier alone, and its lexicon alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.judging.cases import TextCase
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, Transcript
from pipeline.judge.classifier import Classifier, load_classifier
from pipeline.judge.detection import score_readings
from pipeline.judge.judge_stage import Judge, read_config
from pipeline.judge.model_outputs import Numbers
from pipeline.judge.text_transcripts import as_transcript
from pipeline.judge.verdict import WEIGHTS
from pipeline.learning.model_comparison import threshold_at
from pipeline.learning.training_rows import LABELS, OUTPUTS, RISK
from pipeline.settings import JudgeSettings

Scores = Mapping[str, Numbers]
"""For each output, a score for each case. Higher is riskier."""
Found = NDArray[np.bool_]

BOTH = frozenset({"en", "zh"})
FALSE_ALARMS = 0.01
"""Share of ordinary talk that a system without its own threshold may flag."""


class System(Protocol):
    name: str
    languages: frozenset[str]

    def scores(self, cases: Sequence[TextCase]) -> Scores:
        """One array of shape (cases,) for each of `OUTPUTS`."""

    def flags(self, cases: Sequence[TextCase]) -> Found:
        """Which cases the system flags, by its own thresholds."""


class WholeJudge:
    """The judge as shipped: classifier, lexicon, policy."""

    name, languages = "judge", BOTH

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def scores(self, cases: Sequence[TextCase]) -> Scores:
        flags = self.decided(cases)
        found = {label: np.array([flag.labels.get(label, 0.0) for flag in flags]) for label in LABELS}
        return found | {RISK: np.array([flag.risk for flag in flags])}

    def flags(self, cases: Sequence[TextCase]) -> Found:
        return np.array([flag.suggestion != "pass" for flag in self.decided(cases)])

    def decided(self, cases: Sequence[TextCase]) -> list[Flag]:
        return [flag for flag in self._judge.process([*map(transcript, cases)]) if isinstance(flag, Flag)]


class Scored:
    """A system with scores. It flags cases whose `risk` reaches `limit`."""

    def __init__(
        self, name: str, score: Callable[[Sequence[TextCase]], Scores], languages: frozenset[str], limit: float | None
    ) -> None:
        self.name, self.languages = name, languages
        self._score = score
        self._limit = limit
        self._limits: dict[str, float] = {}

    def scores(self, cases: Sequence[TextCase]) -> Scores:
        return self._score(cases)

    def flags(self, cases: Sequence[TextCase]) -> Found:
        limits = [self._limits.get(case.language, 0.0) if self._limit is None else self._limit for case in cases]
        found: Found = self._score(cases)[RISK] >= np.array(limits)
        return found

    def fit(self, ordinary: Sequence[TextCase]) -> "Scored":
        """Set the threshold that `FALSE_ALARMS` of each language's `ordinary` talk reach, unless the system has its
        own.
        """
        for language in self.languages if self._limit is None else ():
            risk = self._score([case for case in ordinary if case.language == language])[RISK]
            self._limits[language] = threshold_at(risk, FALSE_ALARMS)
        return self


class Remembering:
    """A classifier that reads each text once for all sections."""

    def __init__(self, classifier: Classifier) -> None:
        self.name, self.labels, self.context = classifier.name, classifier.labels, classifier.context
        self._classifier = classifier
        self._known: dict[tuple[str, str], dict[str, float]] = {}

    def classify(self, texts: Sequence[str], languages: Sequence[str]) -> list[dict[str, float]]:
        keys = [*zip(texts, languages, strict=True)]
        if new := [key for key in dict.fromkeys(keys) if key not in self._known]:
            found = self._classifier.classify([text for text, _ in new], [language for _, language in new])
            self._known.update(zip(new, found, strict=True))
        return [self._known[key] for key in keys]


def systems(model: str | None, policy: str, ordinary: Sequence[TextCase]) -> list[System]:
    """All systems. `ordinary` talk sets the thresholds of those without their own."""
    chosen = JudgeSettings(model=model, policy=policy)
    classifier = Remembering(load_classifier(chosen))
    config = read_config(chosen)
    whole = WholeJudge(Judge(config, classifier, Metrics()))

    def classified(cases: Sequence[TextCase]) -> Scores:
        found = score_readings(classifier, [*map(transcript, cases)])
        return {output: np.array([score.get(output, 0.0) for score in found]) for output in OUTPUTS}

    def listed(cases: Sequence[TextCase]) -> Scores:
        rows = [
            [(match.term.label, WEIGHTS[match.level]) for match in config.matcher.find(case.text)] for case in cases
        ]
        found = {
            label: np.array([max((weight for known, weight in row if known == label), default=0.0) for row in rows])
            for label in LABELS
        }
        return found | {RISK: np.max([*found.values()], axis=0)}

    scored = [Scored("classifier", classified, BOTH, None), Scored("lexicon", listed, BOTH, WEIGHTS["medium"])]
    return [whole, *(system.fit(ordinary) for system in scored)]


def transcript(case: TextCase) -> Transcript:
    return as_transcript(case.text, case.language, confidence=case.confidence, alternatives=case.alternatives)
