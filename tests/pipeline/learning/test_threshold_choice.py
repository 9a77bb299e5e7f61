"""Thresholds keep the stated rate of false alarms, also for speech that did not choose them."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.learning.threshold_choice import FOLDS, DecidedSpeech, cautious, choose, expected, share

RATE = 0.02


def spoken(seed: int, count: int = 4_000, others: float = 0.0) -> DecidedSpeech:
    """Speech with two labels. The second one is rarer, and its scores are closer to those of harmless speech."""
    random = np.random.default_rng(seed)
    first, second = random.random(count) < 0.1, random.random(count) < 0.03
    logits = random.normal(-4, 1.5, (count, 2)) + np.stack([first * 6, second * 4], axis=1)
    return DecidedSpeech(
        1 / (1 + np.exp(-logits)),
        random.random(count) < others,
        first | second,
        np.stack([first, second], axis=1),
        np.ones(count),
        random.integers(0, FOLDS, count),
    )


@pytest.mark.parametrize("others", [0.0, 0.01])
def test_new_speech_keeps_the_rate(others: float) -> None:
    chosen, other = spoken(1, others=others), spoken(2, others=others)
    limits = choose(chosen, RATE)
    assert chosen.false_rate(chosen.alarms(limits)) <= RATE
    assert other.false_rate(other.alarms(limits)) == pytest.approx(RATE, rel=0.3)


def test_thresholds_are_as_low_as_the_rate_allows() -> None:
    speech = spoken(1)
    recalls = [speech.alarms(choose(speech, rate))[speech.risky].mean() for rate in (0.001, 0.01, 0.1)]
    assert recalls == sorted(recalls)
    lower = choose(speech, RATE) - 0.02
    assert speech.false_rate(speech.alarms(lower)) > RATE


def test_an_audit_counts_as_the_speech_that_it_stands_for() -> None:
    """Nine in ten harmless utterances are left out, and the others weigh ten times as much."""
    speech = spoken(1, 40_000)
    left = speech.risky | (np.random.default_rng(3).random(len(speech.risky)) < 0.1)
    part = speech.part(left)
    weighted = replace(part, weights=np.where(part.risky, 1.0, 10.0))
    assert choose(weighted, RATE) == pytest.approx(choose(speech, RATE), rel=0.15)


def test_no_rate_is_left_if_other_rules_use_it() -> None:
    speech = spoken(1, others=0.05)
    limits = choose(speech, RATE)
    assert not (speech.scores[~speech.risky] >= limits).any()


def caught(speech: DecidedSpeech, limits: np.ndarray, place: int) -> float:
    return float(speech.alarms(limits)[speech.wanted[:, place]].mean())


def test_a_goal_is_reached_at_the_cost_of_the_other_labels() -> None:
    chosen, other = spoken(1), spoken(2)
    equal, goal = choose(chosen, RATE), choose(chosen, RATE, {1: 0.76})
    assert caught(chosen, equal, 1) < 0.73
    assert caught(chosen, goal, 1) >= 0.76
    assert caught(other, goal, 1) == pytest.approx(0.76, abs=0.1)
    assert goal[0] > equal[0]
    assert chosen.false_rate(chosen.alarms(goal)) <= RATE


def test_a_goal_that_is_reached_anyway_changes_nothing() -> None:
    speech = spoken(1)
    assert (choose(speech, RATE, {0: 0.5}) == choose(speech, RATE)).all()


def test_goals_that_the_rate_does_not_allow_serve_the_label_that_is_furthest_from_its_goal() -> None:
    speech = spoken(1)
    limits = choose(speech, 0.01, {0: 0.99, 1: 0.99})
    assert speech.false_rate(speech.alarms(limits)) <= 0.01
    assert caught(speech, choose(speech, 0.01), 1) < caught(speech, limits, 1) < 0.99


def test_what_another_rule_flags_is_not_paid_for_twice() -> None:
    """Two rules with the same scores: one threshold is enough, and gets all false alarms."""
    speech = spoken(1)
    twice = replace(speech, scores=speech.scores[:, [0, 0]], wanted=speech.wanted[:, [0, 0]])
    alone = replace(speech, scores=speech.scores[:, [0]], wanted=speech.wanted[:, [0]])
    assert (twice.alarms(choose(twice, RATE)) == alone.alarms(choose(alone, RATE))).all()


def test_a_rare_label_counts_as_much_as_a_common_one() -> None:
    """The same scores: a tenth of the speech has the label of the second rule."""
    speech = spoken(1)
    random = np.random.default_rng(5)
    rare = random.random(len(speech.risky)) < 0.1
    wanted = np.stack([speech.risky & ~rare, speech.risky & rare], axis=1)
    scores = np.where(wanted, speech.scores.max(axis=1)[:, None], random.random(wanted.shape) / 3)
    chosen = replace(speech, scores=scores, wanted=wanted)
    limits = choose(chosen, RATE)
    assert caught(chosen, limits, 0) == pytest.approx(caught(chosen, limits, 1), abs=0.1)


def test_expected_figures_come_from_other_speakers() -> None:
    """With few cases, thresholds fit the cases that chose them too well. The expected figures do not."""
    rates = []
    for seed in range(100):
        speech = spoken(seed, 300)
        alarms, by_rule = expected(speech, RATE)
        rates.append(speech.false_rate(alarms))
        assert ((by_rule.any(axis=1) | speech.others) == alarms).all()
    truth = np.mean(
        [spoken(99, 20_000).false_rate(spoken(99, 20_000).alarms(choose(spoken(s, 240), RATE))) for s in range(100)]
    )
    assert np.mean(rates) == pytest.approx(truth, rel=0.15)


def test_a_cautious_choice_keeps_the_rate_on_new_speech() -> None:
    """With few cases, the plain choice has half as many false alarms again on new speech."""
    new = spoken(99, 20_000)
    rates = []
    for seed in range(100):
        speech = spoken(seed, 300)
        limits = (choose(speech, RATE), choose(speech, cautious(speech, RATE)))
        rates.append([new.false_rate(new.alarms(each)) for each in limits])
    plain, kept = np.mean(rates, axis=0)
    assert abs(kept - RATE) < abs(plain - RATE)


def test_shares_have_intervals() -> None:
    hits, everything = np.array([True, False, False, False]), np.ones(4, bool)
    found = share(hits, everything, np.array([1.0, 10.0, 10.0, 10.0]))
    assert found is not None
    assert found.value == pytest.approx(1 / 31)
    assert found.interval[0] < found.value < found.interval[1]
    assert share(hits, ~everything, np.ones(4)) is None
