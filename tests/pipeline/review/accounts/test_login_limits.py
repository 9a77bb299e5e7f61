"""Tries: a burst, then one at a time, for each key on its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.review.accounts import login_limits
from pipeline.review.accounts.login_limits import ALLOWED, Key, Tries
from tests.builders import NOON

ADDRESS: Key = ("address", "192.0.2.1")
NAME: Key = ("name", "ana")
BURST, SECONDS = ALLOWED["address"].burst, ALLOWED["address"].seconds


def test_a_burst_is_allowed_and_then_one_try_for_each_interval() -> None:
    counts = Tries()
    assert [counts.take([ADDRESS], NOON) for _ in range(BURST)] == [0.0] * BURST
    assert counts.take([ADDRESS], NOON) == SECONDS
    assert counts.take([ADDRESS], NOON + SECONDS - 1) == pytest.approx(1)
    assert counts.take([ADDRESS], NOON + SECONDS) == 0
    assert counts.take([ADDRESS], NOON + SECONDS) == SECONDS
    assert counts.take([("address", "192.0.2.2")], NOON) == 0


def test_a_refused_try_takes_nothing_of_the_other_keys() -> None:
    counts = Tries()
    for _ in range(BURST):
        counts.take([ADDRESS], NOON)
    for _ in range(100):
        assert counts.take([ADDRESS, NAME], NOON) > 0
    assert [counts.take([NAME], NOON) for _ in range(ALLOWED["name"].burst)] == [0.0] * ALLOWED["name"].burst


def test_a_try_that_is_given_back_costs_nothing() -> None:
    counts = Tries()
    for _ in range(10 * BURST):
        assert counts.take([ADDRESS], NOON) == 0
        counts.give_back([ADDRESS])


@given(st.lists(st.floats(0, 200), max_size=60))
def test_no_timing_gives_more_than_the_burst_and_the_rate(pauses: list[float]) -> None:
    counts, at, taken = Tries(), NOON, 0
    for pause in pauses:
        at += pause
        taken += not counts.take([ADDRESS], at)
        assert taken <= BURST + (at - NOON) / SECONDS + 1e-6


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_limits, "MOST_KEYS", 100)
    counts = Tries()
    for number in range(1_000):
        counts.take([("address", str(number))], NOON)
        assert len(counts) <= 100
    for _ in range(BURST - 1):
        counts.take([("address", "999")], NOON)
    assert counts.take([("address", "999")], NOON) > 0, "the newest keys are kept"
