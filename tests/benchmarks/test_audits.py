"""The simulated audits: the sample in arrays is the sample that a real store gives, and intervals contain the truth."""

from pathlib import Path

import numpy as np

from benchmarks.audits import Service, judge, keep, run, speak, truth
from pipeline.assessment import audits

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
