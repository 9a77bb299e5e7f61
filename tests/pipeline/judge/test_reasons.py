"""The reason of a term is written and read by the same rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Suggestion
from pipeline.judge import reasons
from pipeline.judge.labels import SEVERITIES


@given(st.text(min_size=1), st.sampled_from(SEVERITIES), st.sampled_from(("review", "block")))
def test_every_term_is_read_back(term: str, level: str, suggestion: Suggestion) -> None:
    written = reasons.of_term("ads_spam", term, level, suggestion)  # type: ignore[arg-type]
    assert reasons.terms_alone([written]) == {("ads_spam", term)}


@pytest.mark.parametrize(
    "other",
    ["fraud: score 0.91 reaches review at 0.80", "risk 0.91 reaches review, but no label does", "lexicon: words"],
)
def test_another_cause_leaves_no_term(other: str) -> None:
    assert reasons.terms_alone([reasons.of_term("fraud", "term", "high", "block"), other]) == frozenset()


def test_the_manner_of_the_second_reader_is_read_back() -> None:
    of_reader = reasons.of_reader("fraud", 0.9, 0.7, "coded")
    assert reasons.manner(["fraud: score 0.91 reaches review at 0.80", of_reader]) == "coded"
    assert reasons.manner(["fraud: score 0.91 reaches review at 0.80"]) == ""


def test_a_flag_from_context_is_known_by_its_reason() -> None:
    term = reasons.of_term("fraud", "term", "high", "block")
    raised = reasons.of_context("review")
    assert raised.endswith("alone, the text means review")
    assert (reasons.from_context([term, raised]), reasons.from_context([term])) == (True, False)
    assert reasons.terms_alone([term, raised]) == frozenset()


def test_a_limit_is_no_cause() -> None:
    term = reasons.of_term("fraud", "term", "high", "block")
    limits = ["at most review: blocked for fraud within the last 60 s", "at most pass: the recogniser may …"]
    assert reasons.terms_alone([term, *limits]) == {("fraud", "term")}
    assert reasons.terms_alone([]) == frozenset()
