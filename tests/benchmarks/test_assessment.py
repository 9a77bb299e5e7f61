"""What the product says about a simulated world equals the truth, on both databases."""

from functools import cache

import pytest

from benchmarks.assessment import simulate
from benchmarks.assessment.comparing import ComparedLine
from benchmarks.assessment.simulate import Simulated
from benchmarks.assessment.stores import STORES, url_of
from benchmarks.assessment.truth.figures import Fact
from pipeline.assessment.catalogue import INDICATORS

pytestmark = pytest.mark.timeout(900)
"""Each world takes half a minute, and much longer if the machine is busy."""


@cache
def simulated(store: str) -> Simulated:
    with url_of(store) as url:
        return simulate.run(url, seed=3, utterances=100, windows={"ragged": simulate.WINDOWS["ragged"]})


@pytest.mark.parametrize("store", STORES)
def test_all_that_the_product_says_equals_the_truth(store: str) -> None:
    lines = simulated(store).lines
    assert [str(line) for line in lines if not line.ok] == []
    facts = [line.truth for line in lines if isinstance(line.truth, Fact)]
    assert any(fact.interval for fact in facts)
    assert {fact.met for fact in facts} == {True, False, None}
    assert {fact.whole for fact in facts} == {True, False}
    assert any(fact.previous is not None for fact in facts)


def test_both_databases_give_the_same_figures() -> None:
    one, other = (simulated(store).figures for store in STORES)
    assert one == other


def test_all_cases_happen_in_the_world() -> None:
    for store in STORES:
        result = simulated(store)
        facts = {line.key[0] for line in result.lines if isinstance(line.truth, Fact) and line.truth.value is not None}
        assert facts == INDICATORS.keys()
        triggers = [line.truth for line in result.lines if line.key[0] == "trigger"]
        assert {one["clause"] for one in triggers} == {"3.1", "3.2", "3.3", "3.4", "3.5"}
        assert {one["state"] for one in triggers} == {"suggested", "accepted", "rejected"}
        hazards = [line for line in result.lines if line.key[0] == "hazard"]
        assert {line.key[2][0][1] for line in hazards} == {"threshold", "drill", "incident", "person"}
        states = {line.key[1]: [step[1] for step in line.truth["steps"]] for line in hazards}
        assert states["I-08.open"] == ["open"]
        for about in ("I-28.failed", "I-28.drill"):
            assert states[about] == ["open", "fixed", "fixed", "closed", "open", "fixed", "closed"]
        assert result.history.aborted
        assert result.history.delivered_again


@pytest.mark.parametrize(
    "product",
    [
        Fact(0.5001, 10, (0.2, 0.8)),
        Fact(0.5, 11, (0.2, 0.8)),
        Fact(None, 10),
        None,
        Fact(0.5, 10),
        Fact(0.5, 10, (0.2, 0.801)),
        Fact(0.5, 10, (0.2, 0.8), whole=False),
        Fact(0.5, 10, (0.2, 0.8), previous=0.4),
        Fact(0.5, 10, (0.2, 0.8), threshold=0.6, met=False),
    ],
    ids=["value", "size", "not measured", "missing", "no interval", "interval", "partial", "trend", "limit"],
)
def test_a_wrong_figure_is_detected(product: Fact | None) -> None:
    right = Fact(0.5, 10, (0.2, 0.8))
    assert ComparedLine("week", ("I-02", "share", ()), right, right).ok
    assert not ComparedLine("week", ("I-02", "share", ()), product, right).ok
