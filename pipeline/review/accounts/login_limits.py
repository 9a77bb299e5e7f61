"""The limits of login: wrong passwords, passwords that are checked at once, and the browsers that are known.

What a stranger does costs the stranger only. A browser in which an account has signed in before has a cookie, and its
own limit of wrong passwords. So nobody can lock a person out by guessing: the guesses of strangers do not count for a
known browser. The cookie signs nobody in. The scheme is "device cookies" of OWASP.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from threading import BoundedSemaphore, Lock
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, delete, exists, insert, select, update

from pipeline.base.errors import TooManyTries
from pipeline.review.tables.core import DEVICES

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
    """The wrong passwords. A key has one number: the moment when all its tries are allowed again, in UTC seconds.

    The counts are in memory, so that a stranger's request never writes to the database. A restart forgets them, and
    each console counts for itself.
    """

    def __init__(self) -> None:
        # The generic cell rate algorithm (GCRA): one time for each key instead of a count and a clock.
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
        # A tenth goes at once, so that in a flood not each new key copies the dictionary.
        self._whole_at = dict(kept[-MOST_KEYS * 9 // 10 :])


BUSY_SECONDS = 2.0
"""Seconds after which a refused caller may try again."""


class HashTurns:
    """Lets `at_once` callers hash a password and `waiting` callers wait; the others are refused.

    A hash takes 64 MiB and about 0.1 s of all cores. A caller that waits holds a thread, so few may wait.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places = BoundedSemaphore(at_once + waiting)
        self._working = BoundedSemaphore(at_once)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Run the block when it is its turn. Raises TooManyTries at once if too many callers wait."""
        if not self._places.acquire(blocking=False):
            raise TooManyTries(BUSY_SECONDS)
        try:
            # Callers beyond `at_once` wait here, in their own thread.
            with self._working:
                yield
        finally:
            self._places.release()


STRANGERS = HashTurns(at_once=1, waiting=8)
"""Turns for people who sign in from a browser that is not known."""
KNOWN = HashTurns(at_once=1, waiting=8)
"""Turns for people who are signed in, or whose browser is known. Strangers cannot take them."""

BROWSER_KEPT_SECONDS = 15_552_000.0
"""A browser is forgotten after this time without a sign-in: 180 days."""


# The functions on browsers run in a transaction that the caller opened.


def known_browser(connection: Connection, token: str, account: str, at: float) -> str | None:
    """Return the id of the browser with the cookie `token` if the account has signed in with it; otherwise None."""
    row = (
        DEVICES.c.id == _browser_id(token),
        DEVICES.c.account == account,
        DEVICES.c.seen_at >= at - BROWSER_KEPT_SECONDS,
    )
    return _browser_id(token) if token and connection.scalar(select(exists().where(*row))) else None


def remember_browser(connection: Connection, token: str, account: str, at: float) -> str:
    """Record that the account has signed in with this browser, and return its cookie. An empty token gets a new one."""
    connection.execute(delete(DEVICES).where(DEVICES.c.seen_at < at - BROWSER_KEPT_SECONDS))
    # A cookie that we did not make may be known to an attacker who put it there.
    token = token if token and _is_ours(connection, token) else secrets.token_urlsafe(32)
    row = (DEVICES.c.id == _browser_id(token), DEVICES.c.account == account)
    if not connection.execute(update(DEVICES).where(*row).values(seen_at=at)).rowcount:
        connection.execute(insert(DEVICES).values(id=_browser_id(token), account=account, seen_at=at))
    return token


def forget_browsers(connection: Connection, account: str) -> None:
    """Forget all browsers of an account."""
    connection.execute(delete(DEVICES).where(DEVICES.c.account == account))


def _is_ours(connection: Connection, token: str) -> bool:
    """Tell whether the token is a cookie that we made, for this account or another one."""
    return bool(connection.scalar(select(exists().where(DEVICES.c.id == _browser_id(token)))))


def _browser_id(token: str) -> str:
    return sha256(token.encode()).hexdigest()
