"""The simulated audits: a complete sample gives the truth, and intervals contain it."""

import numpy as np

from benchmarks.audits import Service, Team, judge, run, speak, truth
from pipeline.review.quality import audits


def test_a_complete_sample_gives_the_truth() -> None:
    rng = np.random.default_rng(1)
    service = Service("small", 120, 0.3, 0.7, (1.0,), second_shares=(1.0,))
    speech = speak(rng, service)
    true, (judged, reviewed) = truth(speech), judge(rng, service, speech, Team(again=False))
    recall, precision, prevalence = audits.recall(judged), audits.precision(reviewed), audits.prevalence(judged)
    assert recall is not None
    assert precision is not None
    assert prevalence is not None
    assert np.allclose((recall.value, precision.value, prevalence.value), true)
    assert np.allclose(recall.interval, true.recall)


def test_most_intervals_contain_the_truth() -> None:
    """With this seed, the counts are always the same."""
    service = Service("small", 5_000, 0.05, 0.7, (0.2,), second_shares=(0.3,), undecided=0.1)
    [tested] = run(np.random.default_rng(3), (service for _ in range(60)), [Team()])
    for coverage in (tested.recall, tested.prevalence, tested.precision):
        assert coverage.hits + coverage.below + coverage.above == 60
        assert 53 <= coverage.hits <= 60


def test_cases_that_wait_do_not_lower_the_recall() -> None:
    """40 % of the audits and of the mild flags are decided, and 88 % of the severe ones. The truth is 0.5."""
    service = Service("much waits", 20_000, 0.05, 0.5, (0.2,), undecided=0.6)
    rng = np.random.default_rng(5)
    found, true, hits = [], [], 0
    for _ in range(40):
        speech = speak(rng, service)
        recall = audits.recall(judge(rng, service, speech, Team())[0])
        assert recall is not None
        found.append(recall.value)
        true.append(truth(speech).recall)
        hits += recall.interval[0] <= true[-1] <= recall.interval[1]
    assert abs(np.mean(found) - np.mean(true)) < 0.01
    assert hits >= 36


def test_intervals_contain_the_truth_although_people_err() -> None:
    """With 2 % wrong decisions, against 1 % that nobody checks."""
    service = Service("rare", 20_000, 0.01, 0.7, (0.3,), second_shares=(0.3,))
    checked, once = run(np.random.default_rng(7), (service for _ in range(40)), [Team(0.02), Team(0.01, again=False)])
    assert checked.recall.hits >= 36
    assert checked.prevalence.hits >= 36
    assert once.recall.hits <= 2
    assert once.recall.below >= 38, "harmless speech that was upheld counts as missed"
