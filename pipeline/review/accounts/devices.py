"""Browsers in which an account has signed in before. Each has a cookie, and its own limit of wrong passwords.

So nobody can lock a person out by guessing: the guesses of strangers do not count for a known browser. The cookie
signs nobody in. The scheme is "device cookies" of OWASP.

Each function runs in a transaction that the caller opened.
"""

import secrets
from hashlib import sha256

from sqlalchemy import Connection, delete, exists, insert, select, update

from pipeline.review.tables.core import DEVICES

KEPT_SECONDS = 15_552_000.0
"""A browser is forgotten after this time without a sign-in: 180 days."""


def known(connection: Connection, token: str, account: str, at: float) -> str | None:
    """Return the id of the browser with the cookie `token` if the account has signed in with it; otherwise None."""
    row = (DEVICES.c.id == _id(token), DEVICES.c.account == account, DEVICES.c.seen_at >= at - KEPT_SECONDS)
    return _id(token) if token and connection.scalar(select(exists().where(*row))) else None


def remember(connection: Connection, token: str, account: str, at: float) -> str:
    """Record that the account has signed in with this browser, and return its cookie. An empty token gets a new one."""
    connection.execute(delete(DEVICES).where(DEVICES.c.seen_at < at - KEPT_SECONDS))
    token = token if token and _is_ours(connection, token) else secrets.token_urlsafe(32)
    row = (DEVICES.c.id == _id(token), DEVICES.c.account == account)
    if not connection.execute(update(DEVICES).where(*row).values(seen_at=at)).rowcount:
        connection.execute(insert(DEVICES).values(id=_id(token), account=account, seen_at=at))
    return token


def forget(connection: Connection, account: str) -> None:
    """Forget all browsers of an account."""
    connection.execute(delete(DEVICES).where(DEVICES.c.account == account))


def _is_ours(connection: Connection, token: str) -> bool:
    """Tell whether the token is a cookie that we made, for this account or another one."""
    return bool(connection.scalar(select(exists().where(DEVICES.c.id == _id(token)))))


def _id(token: str) -> str:
    return sha256(token.encode()).hexdigest()
