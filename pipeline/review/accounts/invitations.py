"""Invitations: a link with which a person sets a password, once. Each function runs in the caller's transaction."""

import secrets
from hashlib import sha256

from sqlalchemy import Connection, delete, insert, select

from pipeline.base.errors import AccountError
from pipeline.review import audit
from pipeline.review.accounts import accounts, devices
from pipeline.review.accounts.passwords import PasswordHash
from pipeline.review.tables.access import INVITATIONS

VALID_SECONDS = 259_200.0
"""A link works for 3 days."""


def make(connection: Connection, name: str, at: float, actor: str) -> str:
    """Return the token of a new link for an account. Earlier links and the password do not work any more."""
    accounts.change(connection, name, at, actor, password=None)
    devices.forget(connection, name)
    token = secrets.token_urlsafe(32)
    connection.execute(delete(INVITATIONS).where(INVITATIONS.c.account == name))
    values = {"account": name, "hash": _hash(token), "made_by": actor, "expires_at": at + VALID_SECONDS}
    connection.execute(insert(INVITATIONS).values(values))
    audit.append(connection, at, actor, "account.invite", name)
    return token


def account_of(connection: Connection, token: str, at: float) -> str:
    """Return the account that a link is for. Raises AccountError if the link is unknown, used or too old."""
    valid = (INVITATIONS.c.hash == _hash(token), INVITATIONS.c.expires_at > at)
    name = connection.scalar(select(INVITATIONS.c.account).where(*valid))
    account = accounts.find(connection, name) if name else None
    if account is None or account.disabled:
        raise AccountError("This link does not work any more", "Ask an admin for a new one.", text="link")
    return account.name


def accept(connection: Connection, token: str, password: PasswordHash, at: float) -> str:
    """Set the password of the account that a link is for, and return its name. Raises AccountError as `account_of`."""
    name = account_of(connection, token, at)
    if not connection.execute(delete(INVITATIONS).where(INVITATIONS.c.hash == _hash(token))).rowcount:
        raise AccountError("This link was used a moment ago", "Ask an admin for a new one.", text="link")
    accounts.change(connection, name, at, name, password=password)
    return name


def waiting(connection: Connection, at: float) -> dict[str, float]:
    """Return the accounts with a link that works, and when it ends (UTC seconds)."""
    query = select(INVITATIONS.c.account, INVITATIONS.c.expires_at).where(INVITATIONS.c.expires_at > at)
    return {row.account: row.expires_at for row in connection.execute(query)}


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
