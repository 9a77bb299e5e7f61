"""A circuit breaker: after some failures in a row, an endpoint gets no requests for a while."""

import math
from collections.abc import Callable

FAILURES = 3
"""Failures in a row that open the breaker."""
FIRST_PAUSE_SECONDS = 10.0
"""Each pause is twice as long as the one before, until a request succeeds."""
LONGEST_PAUSE_SECONDS = 300.0


class CircuitBreaker:
    """Says whether a request may be sent. After a pause, one request is sent to try. `clock` never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._until = -math.inf
        self._open = self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether requests wait, for a pause or for the result of one that tries."""
        return self._open

    def allows(self) -> bool:
        """Whether a request may be sent now. Then call `succeeded` or `failed` with its result."""
        if not self._open:
            return True
        if self._trying or self._clock() < self._until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """A request that was sent before the pause, and ends in it, changes nothing."""
        if not self._open or self._trying:
            self._failures, self._pause = 0, FIRST_PAUSE_SECONDS
            self._open = self._trying = False

    def failed(self, wait: float = 0.0) -> None:
        """The endpoint did not answer, or asked for a pause of `wait` seconds."""
        now = self._clock()
        self._failures += 1
        if self._trying or not self._open:
            if self._failures < FAILURES and not wait:
                return
            self._open, self._trying = True, False
            self._until = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        self._until = max(self._until, now + min(wait, LONGEST_PAUSE_SECONDS))
