"""The judge stage: takes transcripts and gives one flag for each, also for clean ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from pipeline import settings
from pipeline.judge import labels, lexicon, policy
from pipeline.judge.classifier import Classifier
from pipeline.judge.classifier import load as load_classifier
from pipeline.judge.detector import Detection, Detector
from pipeline.judge.flagger import Flagger
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Matcher
from pipeline.judge.policy import PolicyResolver
from pipeline.judge.shadow import Shadow
from pipeline.messages import Flag, SpeechStatus, Suggestion, Transcript
from pipeline.metrics import Metrics, from_zero
from pipeline.speech_status import status_of
from pipeline.stage import Processor, Rejected

TENTHS = tuple(f"{tenth / 10:.1f}" for tenth in range(10))
"""The lower bounds of the tenths of a score."""


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """Labels, lexicons and policies, read from the users' YAML files."""

    labels: Labels
    matcher: Matcher
    policy: PolicyResolver
    shadows: tuple[PolicyResolver, ...] = ()


class Judge(Processor[Transcript, Flag | SpeechStatus]):
    """Classifier and lexicons detect; the policy decides. Shadow policies only count their decisions."""

    def __init__(self, config: JudgeConfig, classifier: Classifier, metrics: Metrics) -> None:
        self._detector = Detector(classifier, config.matcher)
        self._flagger = Flagger(config.policy, config.labels, classifier.name)
        self._shadows = [Shadow(Flagger(each, config.labels, classifier.name), metrics) for each in config.shadows]
        self._metrics = metrics
        from_zero(metrics.flags, get_args(Suggestion))
        from_zero(metrics.labels, config.labels.labels)
        from_zero(metrics.scores, config.labels.labels, TENTHS)
        metrics.classifier.labels(classifier.name).set(1)
        metrics.policy.labels(config.policy.version).set(1)

    def process(self, batch: Sequence[Transcript]) -> list[Flag | SpeechStatus | Rejected]:
        """One flag for each transcript; a status for a transcript that overload skipped."""
        transcribed = [transcript for transcript in batch if not transcript.skipped]
        flags = [self._judge(*each) for each in zip(transcribed, self._detector.detect(transcribed), strict=True)]
        return [*flags, *(status_of(each, "skipped", "overload") for each in batch if each.skipped)]

    def _judge(self, transcript: Transcript, detection: Detection) -> Flag:
        flag = self._flagger.flag(transcript, detection)
        self._count(flag)
        for shadow in self._shadows:
            shadow.watch(transcript, detection, flag)
        return flag

    def _count(self, flag: Flag) -> None:
        self._metrics.flags.labels(flag.suggestion).inc()
        for label, score in flag.labels.items():
            self._metrics.scores.labels(label, TENTHS[min(int(score * 10), 9)]).inc()
        if flag.suggestion != "pass":
            for label in flag.flagged:
                self._metrics.labels.labels(label).inc()


def build(all_settings: settings.Settings, metrics: Metrics) -> Judge:
    """The judge for these settings; raises ConfigError."""
    chosen = all_settings.judge
    return Judge(check(chosen), load_classifier(chosen), metrics)


def check(chosen: settings.JudgeSettings) -> JudgeConfig:
    """Read labels, lexicons and policies, without loading a model; raises ConfigError, which names file and key."""
    known = labels.load(chosen.labels)
    lexicons = lexicon.load(chosen.lexicons, known)
    shadows = [policy.load(name, known, lexicons) for name in chosen.shadow_policies]
    return JudgeConfig(
        known,
        lexicon.compile_terms(lexicons),
        policy.load(chosen.policy, known, lexicons),
        tuple({each.version: each for each in shadows}.values()),
    )
