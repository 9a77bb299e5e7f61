"""Fits the review thresholds of a policy to a team's decisions, by label and language.

A threshold is only changed where the store has enough decisions. Thresholds for blocks and levels of terms stay. Room
types with rules of their own are left out, because their rules are meant to differ.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.judge import detection
from pipeline.judge.classifier import Classifier
from pipeline.judge.detection import Terms, highest, score_readings
from pipeline.judge.labels import Labels
from pipeline.judge.matcher import Match
from pipeline.judge.moderation_policy import NEVER, OTHER, LabelLimits, PolicyResolver, ResolvedPolicy
from pipeline.judge.rule_texts import RuleSet
from pipeline.judge.text_transcripts import as_transcript
from pipeline.judge.verdict import Verdict, decide_verdict
from pipeline.learning.decided_cases import NOTHING, RISK, DecidedUtterance, Example, PlacedExample, is_flagged
from pipeline.learning.threshold_choice import FOLDS, DecidedSpeech, Truths, cautious, choose, expected, share
from pipeline.review.quality.statistics import Estimate

AUDITS = 100
"""The fewest decided audits of a language. Only they show how much harmless speech a lower threshold would flag."""
UPHELD = 20
"""The fewest upheld cases of a label in a language."""
BATCH = 64

Progress = Callable[[int, int], None]
"""Gets how many texts are read, and how many there are."""


@dataclass(frozen=True, slots=True)
class ReadCase:
    """A decided case with the classifier's scores and the terms of its text."""

    case: PlacedExample
    weight: float
    """The number of utterances that it stands for."""
    scores: Mapping[str, float]
    matches: Sequence[Match]

    def has(self, label: str) -> bool:
        """Whether people gave it this label. `risk` stands for any label."""
        return self.case.example.labels.get(label) == 1

    def verdict(self, policy: ResolvedPolicy, labels: Labels) -> Verdict:
        return decide_verdict(self.scores, self.matches, policy, labels)


@dataclass(frozen=True, slots=True)
class Flagging:
    """What rules flag, as shares with intervals. None: there is no speech to measure it on."""

    recall: Estimate | None
    """Of the speech that breaks the rules."""
    false: Estimate | None
    """The false alarms among all utterances."""


@dataclass(frozen=True, slots=True)
class FittedRule:
    """The review threshold of a label, or of `risk`, in one language."""

    rule: str
    upheld: int
    """Upheld cases with this label."""
    before: float
    after: float | None
    """None: there are too few upheld cases, and the threshold stays."""
    flagged: tuple[Flagging, Flagging]
    """Before and after: the speech with this label that any rule flags, and the false alarms of this rule alone."""
    act: float | None = None
    """The threshold of speech that is fit for an automatic action. None: it stays."""


@dataclass(frozen=True, slots=True)
class FittedLanguage:
    """All rules of one language."""

    language: str
    audits: int
    """Decided audits."""
    speakers: int
    excess: float | None
    """The false alarms of terms and thresholds that stay, if these alone exceed the rate. Then all thresholds stay."""
    rules: tuple[FittedRule, ...]
    flagged: tuple[Flagging, Flagging]
    """Before and after, by all rules together."""
    upheld: tuple[int, int, int]
    """Upheld cases: all of them, how many are flagged before, and how many after."""
    dismissed: tuple[int, int, int]
    acted: Flagging | None = None
    """What the thresholds `act` reach together; None: there are none."""


def read_cases(
    cases: Sequence[PlacedExample],
    weights: Sequence[float],
    classifier: Classifier,
    rules: RuleSet,
    progress: Progress,
    heard: Mapping[str, DecidedUtterance] | None = None,
) -> list[ReadCase]:
    """Read the texts as the judge does, in context if it would. `heard` has the speech before cases, by id.

    The recogniser's other readings and most passed speech are not stored, so scores can differ from the judge's own.
    """
    found: list[ReadCase] = []
    for start in range(0, len(cases), BATCH):
        batch = cases[start : start + BATCH]
        table = _scores(classifier, [each.example for each in batch], heard or {})
        terms = Terms(rules.matcher, classifier).find(
            [as_transcript(each.example.text, each.example.language) for each in batch]
        )
        found += map(ReadCase, batch, weights[start : start + BATCH], table, terms)
        progress(len(found), len(cases))
    return found


def _scores(
    classifier: Classifier, batch: Sequence[Example], heard: Mapping[str, DecidedUtterance]
) -> list[dict[str, float]]:
    """The higher score, alone and in context, of each label."""
    said = [as_transcript(each.text, each.language) for each in batch]
    before = [heard[each.group].judged if each.group in heard else NOTHING for each in batch]
    alone = score_readings(classifier, said)
    return [*map(highest, alone, detection.score_in_context(classifier, said, before, alone))]


def fit(
    cases: Sequence[ReadCase],
    policy: PolicyResolver,
    labels: Labels,
    rate: float,
    goals: Mapping[str, float] | None = None,
    act_rate: float | None = None,
) -> list[FittedLanguage]:
    """Return the fitted thresholds by language, in order of language codes.

    `rate` is the share of the utterances of a language that may be false alarms, of all rules together. `goals` are the
    least shares to catch of the speech of some labels. A goal is lowered if the rate does not allow it.
    With `act_rate`, the thresholds `act` are fitted, too: the share of the utterances on which an app may act wrongly.
    """
    languages = sorted({each.case.example.language for each in cases})
    return [
        _of_language(
            [each for each in cases if each.case.example.language == one],
            one,
            policy,
            labels,
            rate,
            goals or {},
            act_rate,
        )
        for one in languages
    ]


def with_limits(policy: PolicyResolver, name: str, found: Sequence[FittedLanguage]) -> dict[str, Any]:
    """Return the content of a policy file with the fitted thresholds, each under `languages`, and with another name.

    A threshold for blocks or for automatic actions rises to the new review threshold if it would be below it.
    """
    # `exclude_unset`: the new file has only what the team has written in the old one.
    content = policy.policy.model_dump(mode="json", exclude_unset=True) | {"name": name}
    for language in found:
        now = policy.resolved(OTHER, language.language)
        for rule in language.rules:
            if rule.after is not None:
                old = _limits(now, rule.rule)
                place = content if rule.rule == RISK else content.setdefault("labels", {})
                limits = place.setdefault(rule.rule, {}).setdefault("languages", {}).setdefault(language.language, {})
                limits |= {"review": rule.after}
                limits |= {name: rule.after for name in ("block", "act") if getattr(old, name) < rule.after}
            if rule.act is not None:
                place = content.setdefault("labels", {}).setdefault(rule.rule, {}).setdefault("languages", {})
                place.setdefault(language.language, {})["act"] = rule.act
    return content


def _of_language(
    cases: Sequence[ReadCase],
    language: str,
    policy: PolicyResolver,
    labels: Labels,
    rate: float,
    goals: Mapping[str, float],
    act_rate: float | None,
) -> FittedLanguage:
    own = _OneLanguage(cases, policy.resolved(OTHER, language), labels)
    fitted = own.ready
    actions, acted = own.actions(fitted, act_rate) if act_rate else ({}, None)
    speech = own.speech(fitted)
    excess = floor if fitted and (floor := speech.false_rate(speech.others)) > rate else None
    if excess is not None:  # no threshold can keep the rate
        fitted, speech = [], own.speech([])
    places = {at: goals[rule] for at, rule in enumerate(fitted) if rule in goals}
    rate = cautious(speech, rate, places) if fitted else rate
    limits = dict(zip(fitted, map(float, choose(speech, rate, places)), strict=True)) if fitted else {}
    before = own.flagged()
    after, by_rule = expected(speech, rate, places) if fitted else (before, np.zeros((len(cases), 0), bool))

    def rule_of(rule: str) -> FittedRule:
        old = own.reached(rule)
        new = by_rule[:, fitted.index(rule)] if rule in limits else old
        pair = own.flagging(rule, before, old), own.flagging(rule, after, new)
        now, limit = _limits(own.policy, rule), limits.get(rule)
        seen = min(now.review if limit is None else limit, now.block)
        act = max(actions[rule], seen) if rule in actions else None
        return FittedRule(rule, own.upheld[rule], now.review, limit, pair, act)

    def counts(of: Truths) -> tuple[int, int, int]:
        return int(of.sum()), int((of & before).sum()), int((of & after).sum())

    return FittedLanguage(
        language,
        own.audits,
        own.speakers,
        excess,
        tuple(rule_of(rule) for rule in own.upheld),
        (own.flagging(RISK, before, before), own.flagging(RISK, after, after)),
        counts(speech.risky),
        counts(~speech.risky),
        acted,
    )


class _OneLanguage:
    """The cases of one language, under its present rules."""

    def __init__(self, cases: Sequence[ReadCase], policy: ResolvedPolicy, labels: Labels) -> None:
        self.policy, self._cases, self._labels = policy, cases, labels
        self._weights = np.array([each.weight for each in cases])
        self._risky = np.array([each.has(RISK) for each in cases])
        names = sorted({each.case.speaker for each in cases})
        # By speaker: the cases of a speaker are alike, so they must not choose their own thresholds.
        self._folds = {name: at % FOLDS for at, name in enumerate(names)}
        self.speakers = len(names)
        # Passed speech is only decided where an audit drew it.
        self.audits = sum(not is_flagged(each.case.example) for each in cases)
        self.upheld = {rule: sum(each.has(rule) for each in cases) for rule in (*policy.labels, RISK)}

    @property
    def ready(self) -> list[str]:
        """The rules with enough decisions."""
        enough = self.audits >= AUDITS and self.speakers >= FOLDS
        return [rule for rule, count in self.upheld.items() if enough and count >= UPHELD]

    def speech(self, fitted: Sequence[str]) -> DecidedSpeech:
        # Without the fitted thresholds, the verdicts show what the other rules flag.
        silent = _without(self.policy, fitted)
        verdicts = [each.verdict(silent, self._labels) for each in self._cases]
        scores = [
            [found.risk if rule == RISK else each.scores.get(rule, 0.0) for rule in fitted]
            for each, found in zip(self._cases, verdicts, strict=True)
        ]
        # `reshape` keeps the shape if there is no rule.
        return DecidedSpeech(
            np.array(scores, np.float64).reshape(len(self._cases), len(fitted)),
            np.array([found.suggestion != "pass" for found in verdicts]),
            self._risky,
            np.array([[each.has(rule) for rule in fitted] for each in self._cases], bool).reshape(
                len(self._cases), len(fitted)
            ),
            self._weights,
            np.array([self._folds[each.case.speaker] for each in self._cases]),
        )

    def actions(self, ready: Sequence[str], rate: float) -> tuple[dict[str, float], Flagging | None]:
        """The thresholds `act` of labels, and what they reach. Terms and `risk` never lead to an automatic action."""
        if not (rules := [rule for rule in ready if rule != RISK]):
            return {}, None
        speech = replace(self.speech(rules), others=np.zeros(len(self._cases), bool))
        rate = cautious(speech, rate)
        reached, _ = expected(speech, rate)
        limits = dict(zip(rules, map(float, choose(speech, rate)), strict=True))
        return limits, self.flagging(RISK, reached, reached)

    def flagged(self) -> Truths:
        """Which cases the present rules flag."""
        return np.array([each.verdict(self.policy, self._labels).suggestion != "pass" for each in self._cases])

    def reached(self, rule: str) -> Truths:
        """Which cases reach the review threshold of a rule."""
        limit = _limits(self.policy, rule).review
        if rule == RISK:
            return np.array([each.verdict(self.policy, self._labels).risk >= limit for each in self._cases])
        return np.array([each.scores.get(rule, 0.0) >= limit for each in self._cases])

    def flagging(self, rule: str, alarms: Truths, own: Truths) -> Flagging:
        wanted = np.array([each.has(rule) for each in self._cases])
        everything = np.ones(len(self._cases), bool)
        return Flagging(share(alarms, wanted, self._weights), share(own & ~self._risky, everything, self._weights))


def _without(policy: ResolvedPolicy, rules: Sequence[str]) -> ResolvedPolicy:
    """The policy without the thresholds of these rules. Terms keep their effect."""
    labels = {
        label: replace(limits, review=NEVER, block=NEVER) if label in rules else limits
        for label, limits in policy.labels.items()
    }
    risk = replace(policy.risk, review=NEVER, block=NEVER) if RISK in rules else policy.risk
    return replace(policy, labels=labels, risk=risk)


def _limits(policy: ResolvedPolicy, rule: str) -> LabelLimits:
    return policy.risk if rule == RISK else policy.labels[rule]
