"""How many wrong passwords a browser, an address or a name may still cause.

The counts are in memory, so that a stranger's request never writes to the database. A restart forgets them, and each
console counts for itself.
"""

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Literal

from msgspec import Struct

Kind = Literal["device", "address", "name", "account", "line"]
Key = tuple[Kind, str]


class Allowance(Struct, frozen=True):
    """`burst` tries at once. After them, one more for every `seconds`."""

    burst: int
    seconds: float


ALLOWED: Mapping[Kind, Allowance] = {
    "device": Allowance(10, 60.0),  # a browser in which the person has signed in before
    "address": Allowance(20, 30.0),  # an office behind one address has many people
    "name": Allowance(20, 60.0),  # all unknown browsers together, against guesses from many addresses
    "account": Allowance(5, 60.0),  # a person who is signed in and confirms the password
    "line": Allowance(1_000, 10.0),  # lines about strangers in the audit log
}
MOST_KEYS = 50_000
"""Keys in memory. Beyond them the oldest are forgotten."""


class Tries:
    """The counts. A key has one number: the moment when all its tries are allowed again, in UTC seconds."""

    def __init__(self) -> None:
        self._whole_at: dict[Key, float] = {}
        self._lock = Lock()

    def take(self, keys: Iterable[Key], at: float) -> float:
        """Take one try of each key and return 0; or take none and return the seconds until all keys have one."""
        keys = tuple(keys)
        with self._lock:
            wait = max((self._wait(key, at) for key in keys), default=0.0)
            if wait <= 0:
                for key in keys:
                    self._put(key, max(self._whole_at.get(key, at), at) + ALLOWED[key[0]].seconds, at)
            return max(wait, 0.0)

    def give_back(self, keys: Iterable[Key]) -> None:
        """Give back one try of each key: the password was right, or was not checked."""
        with self._lock:
            for key in keys:
                if key in self._whole_at:
                    self._whole_at[key] -= ALLOWED[key[0]].seconds

    def __len__(self) -> int:
        return len(self._whole_at)

    def _wait(self, key: Key, at: float) -> float:
        allowed = ALLOWED[key[0]]
        return self._whole_at.get(key, at) - at - (allowed.burst - 1) * allowed.seconds

    def _put(self, key: Key, whole_at: float, at: float) -> None:
        if key not in self._whole_at and len(self._whole_at) >= MOST_KEYS:
            self._forget(at)
        self._whole_at[key] = whole_at

    def _forget(self, at: float) -> None:
        """Drop the keys that have all their tries. If they are few, drop the oldest keys, too."""
        kept = [(key, whole_at) for key, whole_at in self._whole_at.items() if whole_at > at]
        self._whole_at = dict(kept[-MOST_KEYS * 9 // 10 :])
