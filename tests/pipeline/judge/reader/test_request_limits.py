"""The budget of the second reader, with a clock of its own."""

import pytest

from pipeline.judge.reader.request_limits import (
    FAILURES,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    Budget,
    CircuitBreaker,
    Spent,
)
from pipeline.settings import ReaderSettings


class Timer:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 5_000.0

    def __call__(self) -> float:
        return self.now


def take(budget: Budget, room: str, speaker: str) -> Spent | None:
    if not (spent := budget.spent(room, speaker)):
        budget.add(room, speaker)
    return spent


def limits(**changes: float) -> ReaderSettings:
    return ReaderSettings.model_validate({"per_minute": 10, "per_day": 25} | changes)


def test_a_minute_and_a_day_have_their_limits() -> None:
    timer = Timer()
    budget = Budget(limits(), timer)
    seen = []
    for minute in range(4):
        seen.append([take(budget, f"room-{minute}-{n}", "ann") for n in range(12)])
        timer.now += 60
    assert [found.count(None) for found in seen] == [10, 10, 5, 0]
    assert [set(found) for found in seen] == [{None, "minute"}, {None, "minute"}, {None, "day"}, {"day"}]
    timer.now += 86_400 - 240 - 1
    assert take(budget, "room", "ann") == "day"
    timer.now += 1
    assert take(budget, "room", "ann") is None


def test_one_room_and_one_speaker_cannot_spend_all() -> None:
    budget = Budget(limits(per_minute=20, per_day=100), Timer())
    assert [take(budget, "loud", "ann") for _ in range(3)] == [None, None, "speaker"]
    assert [take(budget, "loud", f"ben-{n}") for n in range(4)] == [None, None, None, "room"]
    assert [take(budget, "calm", f"cat-{n}") for n in range(5)] == [None] * 5
    assert [take(budget, f"room-{n}", "dan") for n in range(11)] == [None] * 10 + ["minute"]


def test_the_share_of_a_day_holds_across_minutes() -> None:
    timer = Timer()
    budget = Budget(limits(per_minute=40, per_day=40), timer)
    found = []
    for n in range(30):
        found.append(take(budget, "loud", f"ann-{n}"))
        timer.now += 60
    assert found == [None] * 10 + ["room"] * 20


def test_a_small_share_still_is_one_request() -> None:
    budget = Budget(limits(per_minute=3), Timer())
    assert [take(budget, "room", "ann") for _ in range(2)] == [None, "room"]


def test_what_is_refused_costs_nothing() -> None:
    budget = Budget(limits(per_minute=4), Timer())
    assert take(budget, "loud", "ann") is None
    assert [take(budget, "loud", "ann") for _ in range(50)] == ["room"] * 50
    assert [take(budget, f"room-{n}", "ann") for n in range(3)] == [None] * 3


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
