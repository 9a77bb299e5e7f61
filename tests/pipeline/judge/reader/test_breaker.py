"""The circuit breaker, with a clock of its own."""

import pytest

from pipeline.judge.reader.breaker import FAILURES, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, CircuitBreaker
from tests.pipeline.judge.reader.test_budget import Timer


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def breaker(timer: Timer) -> CircuitBreaker:
    return CircuitBreaker(timer)


def fail(breaker: CircuitBreaker, times: int = FAILURES) -> None:
    for _ in range(times):
        assert breaker.allows()
        breaker.failed()


def test_it_opens_after_failures_in_a_row(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        fail(breaker, FAILURES - 1)
        breaker.succeeded()
    assert not breaker.is_open
    fail(breaker)
    assert breaker.is_open
    assert not breaker.allows()


def test_after_the_pause_one_request_tries(breaker: CircuitBreaker, timer: Timer) -> None:
    fail(breaker)
    timer.now += FIRST_PAUSE_SECONDS
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True] * 3
    assert not breaker.is_open


def test_each_pause_is_longer_until_it_answers(breaker: CircuitBreaker, timer: Timer) -> None:
    fail(breaker)
    pauses = []
    for _ in range(8):
        began = timer.now
        while not breaker.allows():
            timer.now += 1
        pauses.append(timer.now - began)
        breaker.failed()
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]
    timer.now += LONGEST_PAUSE_SECONDS
    assert breaker.allows()
    breaker.succeeded()
    fail(breaker)
    timer.now += FIRST_PAUSE_SECONDS
    assert breaker.allows()


def test_requests_that_end_in_the_pause_change_nothing(breaker: CircuitBreaker, timer: Timer) -> None:
    """Several were sent at once. Those after the third failure do not make the pause longer, or end it."""
    assert all(breaker.allows() for _ in range(8))
    for _ in range(6):
        breaker.failed()
    breaker.succeeded()
    assert not breaker.allows()
    timer.now += FIRST_PAUSE_SECONDS
    assert breaker.allows()


@pytest.mark.parametrize(
    ("wait", "pause"), [(2.0, FIRST_PAUSE_SECONDS), (45.0, 45.0), (9_999.0, LONGEST_PAUSE_SECONDS)]
)
def test_a_wish_for_a_pause_opens_it_at_once(breaker: CircuitBreaker, timer: Timer, wait: float, pause: float) -> None:
    assert breaker.allows()
    breaker.failed(wait)
    timer.now += pause - 1
    assert not breaker.allows()
    timer.now += 1
    assert breaker.allows()
