from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.token_bucket import TokenBucket


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


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=50))
def test_bucket_never_passes_more_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=30, clock=clock)
    passed = 0
    for pause, amount in steps:
        clock.now += pause
        passed += amount if bucket.take(amount) else 0
        assert passed <= 30 + 10 * (clock.now - 100) + 1e-6
