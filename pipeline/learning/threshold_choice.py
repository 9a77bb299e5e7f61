"""Chooses review thresholds from decided speech, for a stated rate of false alarms.

An alarm is an utterance that the policy flags. It is false if people found that the speech breaks no rule. Each label
may give the same number of false alarms. It is the largest number with which all alarms together keep the rate. The
alarms of the rules that stay count, too.

A label may have a goal: the least share of its speech that all rules together catch. Its threshold is lowered until the
goal is reached, and the other labels then get fewer false alarms, but at least half. If the rate does not allow all
goals, all are lowered in proportion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil, floor, inf

import numpy as np
from numpy.typing import NDArray

from pipeline.review.quality.statistics import Drawn, Estimate, weighted_share

Numbers = NDArray[np.float64]
Truths = NDArray[np.bool_]

STEPS = 50
"""Equal shares of the false alarms that are tried."""
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
    """The lowest thresholds that keep the rate, shape (rules,).

    If the rules that stay exceed the rate alone, no utterance that breaks no rule reaches one of the thresholds.
    """
    clean = ~speech.risky
    ladders = [_Ladder(column, speech.weights[clean]) for column in speech.scores[clean].T]
    shares = np.linspace(rate, 0, STEPS + 1) * speech.weights.sum()

    def keeps(limits: Numbers) -> bool:
        return speech.false_rate(speech.alarms(limits)) <= rate

    # The largest equal number of false alarms that keeps the rate. Then lower the goals until they keep it, too.
    equal = next((share for share in shares if keeps(_limits(ladders, share))), 0.0)
    for part in np.linspace(1, 0, STEPS + 1) if goals else ():
        for share in np.linspace(equal, equal / 2, STEPS + 1):
            limits = _limits(ladders, share)
            for place, goal in (goals or {}).items():
                limits[place] = min(limits[place], _reaching(speech, limits, place, goal * part))
            if keeps(limits):
                return limits
    return _limits(ladders, equal)


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


def share(hits: Truths, of: Truths, weights: Numbers) -> Estimate | None:
    """The share of the hits among the utterances `of`, with its 95 % interval; None if there are none."""
    if not of.any():
        return None
    return weighted_share(_drawn(weights[of & hits]), _drawn(weights[of & ~hits]))


class _Ladder:
    """The scores of harmless speech by one rule, from the highest down."""

    def __init__(self, scores: Numbers, weights: Numbers) -> None:
        order = np.argsort(-scores, kind="stable")
        self._scores, self._reached = scores[order], np.cumsum(weights[order])

    def limit(self, allowed: float) -> float:
        """The lowest threshold that scores with a weight of at most `allowed` reach, rounded up; at most 1."""
        reached = int(np.searchsorted(self._reached, allowed, side="right"))
        above = float(self._scores[reached]) if reached < len(self._scores) else 0.0
        return min(1.0, ceil(float(np.nextafter(above, inf)) * SCALE) / SCALE)


def _limits(ladders: Sequence[_Ladder], allowed: float) -> Numbers:
    return np.array([ladder.limit(allowed) for ladder in ladders])


def _reaching(speech: DecidedSpeech, limits: Numbers, place: int, goal: float) -> float:
    """The highest threshold of one rule with which all rules catch the share `goal` of its speech, rounded down."""
    wanted = speech.wanted[:, place]
    missed = wanted & ~speech.alarms(limits)
    # The weight of what the rule must catch beside the other rules.
    needed = missed[wanted] @ speech.weights[wanted] - (1 - goal) * speech.weights[wanted].sum()
    order = np.argsort(-speech.scores[missed, place], kind="stable")
    caught = np.cumsum(speech.weights[missed][order])
    if needed <= 0:  # the other rules already catch enough
        return inf
    # Rounding errors must not ask for one more utterance.
    last = min(int(np.searchsorted(caught, needed * (1 - 1e-9))), len(order) - 1)
    return floor(float(speech.scores[missed, place][order][last]) * SCALE) / SCALE


def _drawn(weights: Numbers) -> Sequence[Drawn]:
    return [Drawn(count=1, weight=float(weight), size=1.0, squares=1.0) for weight in weights]
