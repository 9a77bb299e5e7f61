"""The judge stage: transcripts in, a flag for each out, clean ones too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from pipeline import settings
from pipeline.judge import labels, lexicon, policy
from pipeline.judge.classifier import Classifier
from pipeline.judge.classifier import load as load_classifier
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Matcher
from pipeline.judge.policy import PolicyResolver
from pipeline.judge.ruling import Detection, Detector, Flagger
from pipeline.judge.shadow import Shadow
from pipeline.messages import Flag, Suggestion, Transcript
from pipeline.metrics import Metrics, from_zero
from pipeline.stage import Processor, Rejected


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """Everything that people write and the judge goes by."""

    labels: Labels
    matcher: Matcher
    rulebook: PolicyResolver
    shadows: tuple[PolicyResolver, ...] = ()
    """Of the shadow policies."""


class Judge(Processor[Transcript, Flag]):
    """Lexicon and classifier find, the policy decides; shadow policies look on."""

    def __init__(self, law: JudgeConfig, classifier: Classifier, metrics: Metrics) -> None:
        self._finder = Detector(classifier, law.matcher)
        self._ruling = Flagger(law.rulebook, law.labels, classifier.name)
        self._shadows = [Shadow(Flagger(book, law.labels, classifier.name), metrics) for book in law.shadows]
        self._metrics = metrics
        from_zero(metrics.flags, get_args(Suggestion))
        from_zero(metrics.labels, law.labels.labels)

    def process(self, batch: Sequence[Transcript]) -> list[Flag | Rejected]:
        """One flag for each transcript that was heard; of what overload skipped there is nothing to say."""
        heard = [transcript for transcript in batch if not transcript.skipped]
        found = self._finder.find(heard)
        return [self._judge(transcript, finding) for transcript, finding in zip(heard, found, strict=True)]

    def _judge(self, transcript: Transcript, found: Detection) -> Flag:
        flag = self._ruling.flag(transcript, found)
        self._count(flag)
        for shadow in self._shadows:
            shadow.watch(transcript, found, flag)
        return flag

    def _count(self, flag: Flag) -> None:
        self._metrics.flags.labels(flag.suggestion).inc()
        if flag.suggestion != "pass":
            for label in flag.flagged:
                self._metrics.labels.labels(label).inc()


def build(all_settings: settings.Settings, metrics: Metrics) -> Judge:
    """The judge as the settings want it; raises ConfigError."""
    chosen = all_settings.judge
    return Judge(check(chosen), load_classifier(chosen), metrics)


def check(chosen: settings.JudgeSettings) -> JudgeConfig:
    """Read labels, lexicons and policies, without a model; raises ConfigError, which names file and key."""
    known = labels.load(chosen.labels)
    lexicons = lexicon.load(chosen.lexicons, known)
    shadows = [policy.load(name, known, lexicons) for name in chosen.shadow_policies]
    return JudgeConfig(
        known,
        lexicon.compile_terms(lexicons),
        policy.load(chosen.policy, known, lexicons),
        tuple({book.version: book for book in shadows}.values()),
    )
