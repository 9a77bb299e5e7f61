"""How fast a client may send."""

from collections.abc import Callable


class TokenBucket:
    """Lets `rate` units a second pass, and up to `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def take(self, amount: float) -> bool:
        """Whether `amount` may pass now; if not, nothing is taken."""
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        self._at = now
        if amount > self._level:
            return False
        self._level -= amount
        return True
