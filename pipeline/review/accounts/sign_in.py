"""Sign-in at the console, and the login sessions that it begins.

Names, passwords and one-time codes are checked within the limits of `login_limits.py`.
"""

import hmac
import secrets
from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from pipeline.base.errors import AccountError, TooManyTries
from pipeline.review import audit_log
from pipeline.review.accounts import accounts, login_limits, passwords
from pipeline.review.accounts.accounts import Account
from pipeline.review.accounts.login_limits import KNOWN, STRANGERS, HashTurns, Key, Tries
from pipeline.review.database import Database
from pipeline.review.tables.core import ACCOUNTS, SESSIONS

SESSION = select(SESSIONS).where(SESSIONS.c.id == bindparam("id"))
STRANGER = "stranger"
"""The actor of a refused sign-in: it may not be the account's owner."""


class Visitor(Struct, frozen=True):
    """Where a sign-in comes from."""

    address: str = ""
    """The network of the client, as `console/login.py` gives it."""
    browser: str = ""
    """The cookie of a known browser (`login_limits.py`); empty if the browser has none."""


class PasswordChecker:
    """Checks the passwords for one console. `clock` returns UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._tries = Tries()
        self._secret = secrets.token_bytes(32)

    def sign_in(self, name: str, password: str, code: str, visitor: Visitor) -> Account | None:
        """Return the account if name, password and one-time code are right; otherwise None.

        None does not tell which of the three was wrong, so an attacker learns nothing. Raises TooManyTries before the
        password is checked.
        """
        at = self._clock()
        # An unknown browser takes tries of its address, and of the name for all unknown browsers together.
        browser = self._known(name, visitor, at)
        keys = self._keys(name, visitor, browser)
        right = self._fits(keys, name, password, KNOWN if browser else STRANGERS)
        with self._database.write() as connection:
            account = _admitted(connection, name, code, at) if right else None
            self._write(connection, name, account, at)
        if account:  # not earlier: a wrong one-time code costs a try, too
            self._tries.give_back(keys)
        return account

    def confirm(self, name: str, password: str, what: str) -> None:
        """Check the password of the person `name`, who is signed in and wants to do `what` (e.g. "password").

        Raises AccountError if it is wrong, and TooManyTries. A wrong one has a line in the audit log, as at a sign-in.
        """
        keys: tuple[Key, ...] = (("account", name),)
        if self._fits(keys, name, password, KNOWN):
            self._tries.give_back(keys)
            return
        with self._database.write() as connection:
            audit_log.append(connection, self._clock(), name, f"{what}.refused", name)
        raise AccountError("The password is wrong", "Nothing was changed. Try again.", text="old_password")

    def _fits(self, keys: tuple[Key, ...], name: str, password: str, turns: HashTurns) -> bool:
        """Check a password, and take one try of each key. If the sign-in succeeds, the caller gives them back."""
        # Taken before the check: of many guesses at once, only as many as the limit are checked.
        if wait := self._tries.take(keys, self._clock()):
            raise TooManyTries(wait)
        with self._database.read() as connection:
            account = accounts.find_account(connection, name)
        # Hashing is slow. It happens outside a transaction, so that other requests do not wait for it.
        try:
            return passwords.password_fits(password, account.password if account else None, turns)
        except TooManyTries:
            self._tries.give_back(keys)
            raise

    def _known(self, name: str, visitor: Visitor, at: float) -> str | None:
        if not visitor.browser:
            return None
        with self._database.read() as connection:
            return login_limits.known_browser(connection, visitor.browser, name, at)

    def _keys(self, name: str, visitor: Visitor, browser: str | None) -> tuple[Key, ...]:
        if browser:
            return (("device", browser),)
        return ("address", visitor.address), ("name", self._disguised(name))

    def _write(self, connection: Connection, name: str, account: Account | None, at: float) -> None:
        """Add a line to the audit log. A name without an account stays out: people type passwords there by mistake."""
        if account:
            audit_log.append(connection, at, name, "login", name)
        # Limited, because a flood of guesses would fill the log.
        elif not self._tries.take([("line", "")], at):
            subject = name if accounts.find_account(connection, name) else f"unknown {self._disguised(name)}"
            audit_log.append(connection, at, STRANGER, "login.refused", subject)

    def _disguised(self, name: str) -> str:
        """Return a keyed hash of a name. The key is gone after a restart, so nobody can find the name later."""
        return hmac.digest(self._secret, name.encode(), "sha256").hex()[:16]


def _admitted(connection: Connection, name: str, code: str, at: float) -> Account | None:
    """Return the account unless it is disabled or the code is wrong. A one-time code or recovery code works once."""
    account = accounts.find_account(connection, name)
    if account is None or account.disabled:
        return None
    if account.totp_secret is None:
        return account
    step = passwords.totp_step(code, account.totp_secret, at, account.totp_step)
    if step is None:
        return account if passwords.use_recovery_code(connection, name, code) else None
    # The UPDATE decides: another sign-in at the same moment may have used the code.
    unused = update(ACCOUNTS).where(ACCOUNTS.c.name == name, ACCOUNTS.c.totp_step < step)
    return account if connection.execute(unused.values(totp_step=step)).rowcount else None


LONGEST_SESSION_SECONDS = 43_200.0
"""The longest session, in seconds: one shift."""
IDLE_SESSION_SECONDS = 3_600.0
"""A session without a request ends after this many seconds."""
TOUCH_SESSION_SECONDS = 60.0
"""The shortest time between two updates of `seen_at`. An update at every request would cost too much."""


class LoginSession(Struct, frozen=True):
    """A session of a signed-in person."""

    id: str
    account: Account
    csrf: str
    """The CSRF token: every request that changes something must carry it beside the cookie."""
    seen_at: float


def begin_session(connection: Connection, account: str, at: float) -> str:
    """Start a session of `account`, delete expired sessions, and return the cookie's value."""
    expired = or_(SESSIONS.c.created_at < at - LONGEST_SESSION_SECONDS, SESSIONS.c.seen_at < at - IDLE_SESSION_SECONDS)
    # No job deletes expired sessions, so each sign-in does.
    connection.execute(delete(SESSIONS).where(expired))
    # A new token at each sign-in: a cookie that somebody planted before is worth nothing.
    token = secrets.token_urlsafe(32)
    values = {"id": _id(token), "account": account, "csrf": secrets.token_urlsafe(32), "created_at": at, "seen_at": at}
    connection.execute(insert(SESSIONS).values(values))
    return token


def find_session(connection: Connection, token: str, at: float) -> LoginSession | None:
    """Return the session of the cookie `token`; None if it has expired or its account is disabled."""
    row = connection.execute(SESSION, {"id": _id(token)}).one_or_none()
    if row is None or row.created_at < at - LONGEST_SESSION_SECONDS or row.seen_at < at - IDLE_SESSION_SECONDS:
        return None
    account = accounts.find_account(connection, row.account)
    return LoginSession(row.id, account, row.csrf, row.seen_at) if account and not account.disabled else None


def touch_session(connection: Connection, session: LoginSession, at: float) -> None:
    """Record that the session was used at `at` (UTC seconds)."""
    connection.execute(update(SESSIONS).where(SESSIONS.c.id == session.id).values(seen_at=at))


def end_session(connection: Connection, session: LoginSession) -> None:
    """Sign out: delete the session."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.id == session.id))


def _id(token: str) -> str:
    return sha256(token.encode()).hexdigest()
