"""Compares two policies on the same transcripts.

It finds the transcripts that only the new or only the old policy flags, or that both flag with a difference.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pipeline.base.recent_dict import RecentDict
from pipeline.contract.messages import Flag, Transcript
from pipeline.judge.classifier import Classifier, load_classifier
from pipeline.judge.conversations import Conversations
from pipeline.judge.detection import Detection, Detector, Terms
from pipeline.judge.flagger import Flagger
from pipeline.judge.judge_stage import read_config
from pipeline.judge.labels import Labels
from pipeline.judge.rule_texts import RuleSet
from pipeline.settings import JudgeSettings

Kind = Literal["new", "gone", "changed", "same"]
"""`changed`: both policies flag it, with different suggestions or labels. `same` includes clean transcripts."""

MAX_REMEMBERED = 100_000
"""How many transcript ids are kept to recognise repeats. After a crash, a worker writes again what it wrote since its
last commit.
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The flags of both policies for one transcript."""

    before: Flag
    after: Flag

    @property
    def kind(self) -> Kind:
        was, is_now = labels_of(self.before), labels_of(self.after)
        if flagged(self.before) != flagged(self.after):
            return "new" if flagged(self.after) else "gone"
        return "same" if was == is_now and self.before.suggestion == self.after.suggestion else "changed"

    @property
    def labels(self) -> dict[str, Kind]:
        """The kind of difference for each label that either policy flags."""
        was, is_now = labels_of(self.before), labels_of(self.after)
        both: Kind = "same" if self.before.suggestion == self.after.suggestion else "changed"
        gone: dict[str, Kind] = dict.fromkeys(was - is_now, "gone")
        return gone | dict.fromkeys(is_now - was, "new") | dict.fromkeys(was & is_now, both)


@dataclass(slots=True)
class BacktestTally:
    """Counts of many comparisons."""

    kinds: Counter[Kind] = field(default_factory=Counter)
    labels: dict[str, Counter[Kind]] = field(default_factory=dict)

    def add(self, comparison: Comparison) -> None:
        self.kinds[comparison.kind] += 1
        for label, kind in comparison.labels.items():
            self.labels.setdefault(label, Counter())[kind] += 1


class Backtest:
    """The classifier reads each text once. Both policies decide on the same scores, each with its own terms.

    `skipped` counts utterances that were not transcribed. `repeated` counts transcripts that came before.
    """

    def __init__(self, classifier: Classifier, labels: Labels, before: RuleSet, after: RuleSet) -> None:
        # Each policy has its own cool-downs.
        self.before, self.after = (Flagger(each.policy, labels, classifier.name) for each in (before, after))
        self._detector = Detector(classifier, before.matcher)
        self._terms_after = None if after.matcher is before.matcher else Terms(after.matcher, classifier)
        self._conversations = Conversations()
        self.skipped = self.repeated = 0
        self._seen = RecentDict[str, None](MAX_REMEMBERED)

    def compare(self, batch: Sequence[Transcript]) -> list[Comparison]:
        """One comparison for each transcript, in order, without skipped and repeated ones.

        The transcripts of one room must come in order.
        """
        batch = [transcript for transcript in batch if self._counts(transcript)]
        detections = self._detector.detect(batch, self._conversations.follow(batch))
        return [self._compared(*each) for each in zip(batch, detections, strict=True)]

    def _compared(self, transcript: Transcript, first: Detection) -> Comparison:
        # The scores are the same for both policies. Only the terms may differ.
        second = replace(first, matches=self._terms_after.find([transcript])[0]) if self._terms_after else first
        return Comparison(self.before.flag(transcript, first), self.after.flag(transcript, second))

    def _counts(self, transcript: Transcript) -> bool:
        repeated = transcript.id in self._seen
        self.skipped += transcript.skipped
        self.repeated += repeated and not transcript.skipped
        if repeated or transcript.skipped:
            return False
        self._seen[transcript.id] = None
        return True


def build_backtest(chosen: JudgeSettings, before: str, after: str) -> Backtest:
    """A backtest of two policies, each given by name or path; raises ConfigError."""
    # Read as a shadow policy, the second one has the same labels and lexicons.
    config = read_config(chosen.model_copy(update={"policy": before, "shadow_policies": (after,)}))
    return Backtest(load_classifier(chosen), config.labels, RuleSet(config.policy, config.matcher), config.shadows[0])


def flagged(flag: Flag) -> bool:
    return flag.suggestion != "pass"


def labels_of(flag: Flag) -> set[str]:
    """The flagged labels; empty if the suggestion is `pass`."""
    return set(flag.flagged) if flagged(flag) else set()
