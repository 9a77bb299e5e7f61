"""Login sessions, each with a cookie. Each function runs in a transaction that the caller opened."""

import secrets
from hashlib import sha256

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, or_, select, update

from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Account
from pipeline.review.tables.core import SESSIONS

LONGEST_SECONDS = 43_200.0
"""The longest session, in seconds: one shift."""
IDLE_SECONDS = 3_600.0
"""A session without a request ends after this many seconds."""
TOUCH_SECONDS = 60.0
"""The shortest time between two updates of `seen_at`. An update at every request would cost too much."""


class LoginSession(Struct, frozen=True):
    """A session of a signed-in person."""

    id: str
    account: Account
    csrf: str
    """The CSRF token: every request that changes something must carry it beside the cookie."""
    seen_at: float


def begin(connection: Connection, account: str, at: float) -> str:
    """Start a session of `account`, delete expired sessions, and return the cookie's value."""
    expired = or_(SESSIONS.c.created_at < at - LONGEST_SECONDS, SESSIONS.c.seen_at < at - IDLE_SECONDS)
    connection.execute(delete(SESSIONS).where(expired))
    token = secrets.token_urlsafe(32)
    values = {"id": _id(token), "account": account, "csrf": secrets.token_urlsafe(32), "created_at": at, "seen_at": at}
    connection.execute(insert(SESSIONS).values(values))
    return token


def find(connection: Connection, token: str, at: float) -> LoginSession | None:
    """Return the session of the cookie `token`; None if it has expired or its account is disabled."""
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.id == _id(token))).one_or_none()
    if row is None or row.created_at < at - LONGEST_SECONDS or row.seen_at < at - IDLE_SECONDS:
        return None
    account = accounts.find(connection, row.account)
    return LoginSession(row.id, account, row.csrf, row.seen_at) if account and not account.disabled else None


def touch(connection: Connection, session: LoginSession, at: float) -> None:
    """Record that the session was used at `at` (UTC seconds)."""
    connection.execute(update(SESSIONS).where(SESSIONS.c.id == session.id).values(seen_at=at))


def end(connection: Connection, session: LoginSession) -> None:
    """Sign out: delete the session."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.id == session.id))


def _id(token: str) -> str:
    return sha256(token.encode()).hexdigest()
