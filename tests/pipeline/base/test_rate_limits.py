"""What an app's answer means, whatever its header Retry-After says."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.base.rate_limits import LONGEST_WAIT_SECONDS, AppAnswer, TokenBucket, answer_of, retry_seconds
from tests.builders import NOON


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_asks_for_nothing(status: int) -> None:
    assert answer_of(status, "100", NOON) == AppAnswer()


@pytest.mark.parametrize("status", [100, 301, 400, 404, 500])
def test_another_answer_is_an_error_and_its_header_does_not_count(status: int) -> None:
    assert answer_of(status, "100", NOON) == AppAnswer(f"the app answered {status}")


def test_a_date_is_a_wait_until_then() -> None:
    at = format_datetime(datetime.fromtimestamp(NOON + 30, UTC), usegmt=True)
    assert answer_of(503, at, NOON) == AppAnswer("the app answered 503", 30, 30)
    assert answer_of(503, at, NOON + 31).wait_seconds == 0


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [-+]?\w*"))
@example("9" * 400)
@example("Thu, 01 Jan 0001 00:00:00 -1200")
@example("Fri, 31 Dec 9999 23:59:59 -2359")
@example("²")
def test_any_header_gives_a_limited_wait(retry_after: str) -> None:
    assert 0 <= retry_seconds(retry_after, NOON) <= LONGEST_WAIT_SECONDS


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bucket_passes_a_burst_and_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=30, clock=clock)
    assert bucket.take(30)
    assert not bucket.take(1)
    clock.now += 0.5
    assert not bucket.take(6)
    assert bucket.take(5)
    clock.now += 1_000
    assert not bucket.take(31)
    assert bucket.take(30)


def test_bucket_allows_what_waited_while_nobody_listened_beyond_the_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=30, clock=clock)
    assert bucket.take(30)
    clock.now += 60
    bucket.excuse(60)
    assert not bucket.take(601)
    assert bucket.take(600)
    clock.now += 1
    assert not bucket.take(11)
    assert bucket.take(10)


def test_bucket_tells_how_long_it_takes_to_pay_what_was_taken_beyond_the_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=30, clock=clock)
    bucket.owe(50)
    assert (bucket.wait(), bucket.wait(debt=15), bucket.wait(debt=20)) == (2.0, 0.5, 0.0)
    clock.now += 2
    assert bucket.wait() == 0.0
    assert not bucket.take(1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=50))
def test_bucket_never_passes_more_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=30, clock=clock)
    passed = 0
    for pause, amount in steps:
        clock.now += pause
        passed += amount if bucket.take(amount) else 0
        assert passed <= 30 + 10 * (clock.now - 100) + 1e-6
