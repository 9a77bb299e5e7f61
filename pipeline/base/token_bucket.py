"""Limit how fast a sender may send."""

from collections.abc import Callable


class TokenBucket:
    """Allows `rate` units a second, and up to `burst` units at once. `clock` returns seconds."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def take(self, amount: float) -> bool:
        """Take `amount` if it is allowed now. Returns whether it was taken."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if amount > self._level:
            return False
        self._level -= amount
        return True
