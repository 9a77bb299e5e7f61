"""The product's figures of a simulated world equal the truth, on both databases."""

import pytest

from benchmarks.assessment import simulate
from benchmarks.assessment.__main__ import STORES, url_of
from benchmarks.assessment.simulate import ComparedLine
from benchmarks.assessment.truth import Fact
from pipeline.assessment.catalogue import INDICATORS


@pytest.mark.parametrize("store", STORES)
def test_all_figures_equal_the_truth(store: str) -> None:
    with url_of(store) as url:
        lines = simulate.run(url, seed=3, utterances=100, windows={"ragged": simulate.WINDOWS["ragged"]})
    assert [str(line) for line in lines if not line.ok] == []
    assert {line.key[0] for line in lines if line.truth and line.truth.value is not None} == INDICATORS.keys()


@pytest.mark.parametrize(
    "product",
    [Fact(0.5001, 10), Fact(0.5, 11), Fact(None, 10), None],
    ids=["another value", "another size", "not measured", "missing"],
)
def test_a_wrong_figure_is_detected(product: Fact | None) -> None:
    assert ComparedLine("week", ("I-02", "share", ()), Fact(0.5, 10), Fact(0.5, 10)).ok
    assert not ComparedLine("week", ("I-02", "share", ()), product, Fact(0.5, 10)).ok
