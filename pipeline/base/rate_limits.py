"""Limits of rate: how fast others may send to us, and how long an answer with Retry-After asks us to wait."""

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

from msgspec import Struct

GONE = 410  # the app says that its address is gone
BUSY = frozenset({429, 503})  # answers whose header Retry-After counts

LONGEST_WAIT_SECONDS = 3_600.0  # the longest wait that an app can ask for
LONGEST_CLOSE_SECONDS = 60.0  # the longest time for which a busy app holds up the events of all rooms


class AppAnswer(Struct, frozen=True):
    """The result of one request. An empty `error` means that the app accepted the event."""

    error: str = ""
    wait_seconds: float = 0.0
    """Seconds before the next try of this event, at least."""
    close_seconds: float = 0.0
    """Seconds in which no event of any room is sent."""


def answer_of(status: int, retry_after: str | None, now: float) -> AppAnswer:
    """Return the meaning of an answer with an HTTP status and its header Retry-After. `now` is UTC seconds."""
    if 200 <= status < 300:
        return AppAnswer()
    error = f"the app answered {status}"
    if status == GONE:
        return AppAnswer(error, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
    wait = retry_seconds(retry_after or "", now) if status in BUSY else 0.0
    return AppAnswer(error, wait, min(wait, LONGEST_CLOSE_SECONDS))


def retry_seconds(retry_after: str, now: float) -> float:
    """Return the seconds that a Retry-After asks for: a number or an HTTP date; 0 for anything else."""
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(retry_after)
        at = (until if until.tzinfo else until.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(0.0, at - now), LONGEST_WAIT_SECONDS)


class TokenBucket:
    """Allows `rate` units a second, and up to `burst` units at once. `clock` returns seconds."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock()

    def excuse(self, seconds: float) -> None:
        """Allow the units of the last `seconds` beyond the burst, because we have not listened for so long."""
        self._level += seconds * self._rate
        self._at += seconds

    def take(self, amount: float) -> bool:
        """Take `amount` if it is allowed now. Returns whether it was taken."""
        self._fill()
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def owe(self, amount: float) -> None:
        """Take `amount` although it may exceed the limit: its size was not known before."""
        self._fill()
        self._level -= amount

    def wait(self, debt: float = 0.0) -> float:
        """Return the seconds until no more than `debt` is owed."""
        self._fill()
        return max(0.0, -debt - self._level) / self._rate

    def left(self) -> float:
        """Return the units that are allowed now."""
        self._fill()
        return max(0.0, self._level)

    def full_in(self) -> float:
        """Return the seconds until the whole burst is allowed again."""
        return self.wait(-self._burst)

    def _fill(self) -> None:
        now = self._clock()
        self._level = max(self._level, min(self._burst, self._level + (now - self._at) * self._rate))
        self._at = now
