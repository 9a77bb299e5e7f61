"""Chooses review thresholds from decided speech, for a stated rate of false alarms.

An alarm is an utterance that the policy flags. It is false if people found that the speech breaks no rule. All rules
are fitted together: step by step, the threshold is lowered that catches most for the false alarms that it adds, until
the rate is reached (greedy maximum coverage, Khuller et al. 1999). What a rule catches counts by label, so that a rare
label counts as much as a common one. Speech that another rule already flags costs nothing more and gains nothing more.

A label may have a goal: the least share of its speech that all rules together catch. Goals come first. If the rate does
not allow all goals, the label that is furthest from its goal gets the next step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf

import numpy as np
from numpy.typing import NDArray

from pipeline.review.quality.statistics import Drawn, Estimate, weighted_share

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

STEPS = 50
"""The steps of each threshold, from no false alarm of its own to all that the rate allows."""
FOLDS = 5
"""The figures of new thresholds come from speakers who did not choose them: a fifth of the speakers at a time."""
SCALE = 10_000
"""Thresholds are multiples of 1 / SCALE."""

Goals = Mapping[int, float]
"""The least share to catch, 0 to 1, of the speech of some rules, by the rule's place."""


@dataclass(frozen=True, slots=True)
class DecidedSpeech:
    """Decided utterances of one language. All arrays have one entry, or one row, for each."""

    scores: Numbers
    """Shape (utterances, rules): what each threshold is compared with."""
    others: Truths
    """Whether rules that stay flag it."""
    risky: Truths
    """Whether people found that it breaks the rules."""
    wanted: Truths
    """Shape (utterances, rules): whether people gave it the label of the rule."""
    weights: Numbers
    """How many utterances it stands for."""
    folds: NDArray[np.int64]
    """The fold of its speaker, from 0 to `FOLDS`."""

    def part(self, chosen: Truths) -> "DecidedSpeech":
        return DecidedSpeech(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def alarms(self, limits: Numbers) -> Truths:
        """Which utterances are flagged with these thresholds, shape (rules,)."""
        return self.others | (self.scores >= limits).any(axis=1)

    def false_rate(self, alarms: Truths) -> float:
        """The false alarms, as a share of all utterances."""
        return float(self.weights[alarms & ~self.risky].sum() / self.weights.sum())


def choose(speech: DecidedSpeech, rate: float, goals: Goals | None = None) -> Numbers:
    """The thresholds that catch most and keep the rate, shape (rules,).

    If the rules that stay exceed the rate alone, no utterance that breaks no rule reaches one of the thresholds.
    """
    search = _Search(speech, rate)
    columns = speech.wanted * speech.weights[:, None]
    by_label = columns / np.maximum(columns.sum(axis=0), np.finfo(float).tiny)
    while short := {place: part for place, goal in (goals or {}).items() if (part := search.caught(place) / goal) < 1}:
        if not search.lower(by_label[:, min(short, key=short.__getitem__)]):
            break
    while search.lower(by_label.sum(axis=1)):
        pass
    return search.limits


def expected(speech: DecidedSpeech, rate: float, goals: Goals | None = None) -> tuple[Truths, Truths]:
    """Which utterances new thresholds flag, and which ones each flags, shape (utterances, rules).

    The thresholds for a speaker come from the other folds. Each fold has a speaker.
    """
    alarms, by_rule = np.zeros(len(speech.risky), bool), np.zeros(speech.scores.shape, bool)
    for fold in range(FOLDS):
        tested = speech.folds == fold
        limits = choose(speech.part(~tested), rate, goals)
        alarms[tested] = speech.part(tested).alarms(limits)
        by_rule[tested] = speech.scores[tested] >= limits
    return alarms, by_rule


def cautious(speech: DecidedSpeech, rate: float, goals: Goals | None = None) -> float:
    """The rate to choose with, so that speech that chose no threshold keeps `rate`: thresholds fit what chose them."""
    found = speech.false_rate(expected(speech, rate, goals)[0])
    return rate * min(1.0, rate / found) if found else rate


def share(hits: Truths, of: Truths, weights: Numbers) -> Estimate | None:
    """The share of the hits among the utterances `of`, with its 95 % interval; None if there are none."""
    if not of.any():
        return None
    return weighted_share(_drawn(weights[of & hits]), _drawn(weights[of & ~hits]))


class _Search:
    """Thresholds on their way down. At first, each is just above all speech that breaks no rule."""

    def __init__(self, speech: DecidedSpeech, rate: float) -> None:
        self._speech, self._clean = speech, ~speech.risky
        allowed = rate * speech.weights.sum()
        self._step = allowed / STEPS
        rules = range(speech.scores.shape[1])
        self._ladders = np.array([self._ladder(rule) for rule in rules]).reshape(len(rules), STEPS + 1)
        # The first step of each threshold that each utterance reaches; one more than all steps if it reaches none.
        self._reached = np.array(
            [np.searchsorted(-self._ladders[rule], -speech.scores[:, rule], side="left") for rule in rules]
        ).reshape(len(rules), len(speech.risky))
        self._at = np.zeros(len(rules), int)
        self._left = ~speech.alarms(self.limits)
        self._budget = allowed - float(speech.weights[self._clean & ~self._left].sum())

    @property
    def limits(self) -> Numbers:
        return np.array([ladder[at] for ladder, at in zip(self._ladders, self._at, strict=True)])

    def caught(self, place: int) -> float:
        """The share of the speech of one rule that all rules catch; 1 if there is none."""
        of = self._speech.weights * self._speech.wanted[:, place]
        return 1 - float(of[self._left].sum() / of.sum()) if of.any() else 1.0

    def lower(self, value: Numbers) -> bool:
        """Lower the threshold that catches most of `value`, shape (utterances,), for its false alarms.

        False if none catches more with the false alarms that are left.
        """
        best, step = 0.0, (0, 0)
        for rule, reached in enumerate(self._reached):
            places = reached[self._left]
            gains, costs = (
                np.bincount(places, each[self._left], STEPS + 2)[: STEPS + 1].cumsum()
                for each in (value * self._speech.risky, self._speech.weights * self._clean)
            )
            # One step more in the divisor: a step without a false alarm here may have some elsewhere.
            rates = np.where(costs <= self._budget, gains / (costs + self._step), 0.0)
            if (at := int(rates.argmax())) > self._at[rule] and rates[at] > best:
                best, step = float(rates[at]), (rule, at)
        if best == 0:
            return False
        rule, self._at[step[0]] = step
        now = self._left & (self._reached[rule] <= step[1])
        self._budget -= float(self._speech.weights[now & self._clean].sum())
        self._left &= ~now
        return True

    def _ladder(self, rule: int) -> Numbers:
        """The thresholds of a rule, from the highest down."""
        scores, weights = self._speech.scores[self._clean, rule], self._speech.weights[self._clean]
        order = np.argsort(-scores, kind="stable")
        places = np.searchsorted(np.cumsum(weights[order]), self._step * np.arange(STEPS + 1), side="right")
        above = np.append(scores[order], 0.0)[places]
        rounded: Numbers = np.ceil(np.nextafter(above, inf) * SCALE) / SCALE
        return rounded.clip(max=1.0)


def _drawn(weights: Numbers) -> Sequence[Drawn]:
    return [Drawn(count=1, weight=float(weight), size=1.0, squares=1.0) for weight in weights]
