"""The simulated audits: the sample in arrays is the sample that a real store gives, and intervals contain the truth."""

from pathlib import Path

import numpy as np

from benchmarks.audits import Service, judge, keep, run, speak, truth
from pipeline.review.quality import audits

SERVICE = Service("small", 120, 0.3, 0.7, (1.0,), second_shares=(1.0,))


def test_a_complete_sample_gives_the_truth_from_arrays_and_from_a_store(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    speech = speak(rng, SERVICE)
    true = truth(speech)
    for judged, reviewed in (judge(rng, SERVICE, speech), keep(rng, SERVICE, speech, tmp_path)):
        recall, precision, prevalence = audits.recall(judged), audits.precision(reviewed), audits.prevalence(judged)
        assert recall is not None
        assert precision is not None
        assert prevalence is not None
        assert np.allclose((recall.value, precision.value, prevalence.value), true)
        assert np.allclose(recall.interval, true.recall)


def test_most_intervals_contain_the_truth() -> None:
    """With this seed, the counts are always the same."""
    service = Service("small", 5_000, 0.05, 0.7, (0.2,), second_shares=(0.3,), undecided=0.1)
    tested = run(np.random.default_rng(3), (service for _ in range(60)))
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
        recall = audits.recall(judge(rng, service, speech)[0])
        assert recall is not None
        found.append(recall.value)
        true.append(truth(speech).recall)
        hits += recall.interval[0] <= true[-1] <= recall.interval[1]
    assert abs(np.mean(found) - np.mean(true)) < 0.01
    assert hits >= 36
