"""Tokens of programs: for the HTTP API, and for apps at the console. Each function runs in the caller's transaction.

A token is shown once, and the store has only its hash. Its first characters, the id, tell which one it is.
"""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection, Row, insert, select, update

from pipeline.base.errors import AccountError
from pipeline.review import audit_log
from pipeline.review.database import fields_of
from pipeline.review.tables.people_tables import API_TOKENS

TokenScope = Literal["moderate", "cases", "decide", "verdicts", "appeals", "reports", "actions"]
"""What a token allows. The first three are for the HTTP API, the others for apps at the console."""

START = "vw_"
ID_LENGTH = 11
USED_SECONDS = 60.0
"""The shortest time between two updates of `used_at`."""


class StoredToken(Struct, frozen=True, kw_only=True):
    """A token without its secret. Times are UTC seconds; None: no end, never used, not revoked."""

    id: str
    hash: str
    name: Annotated[str, Meta(min_length=1, max_length=256)]
    scopes: frozenset[TokenScope]
    made_by: str
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None
    revoked_at: float | None = None

    def works(self, at: float) -> bool:
        """Tell whether the token is accepted at `at`."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


def make_token(
    connection: Connection, name: str, scopes: Iterable[TokenScope], expires_at: float | None, at: float, actor: str
) -> str:
    """Make a token and return it. Raises AccountError without a name or a scope, or with an end in the past."""
    wanted = frozenset(scopes)
    if not name.strip() or not wanted:
        raise AccountError("A token needs a name and a scope", "Give both.", text="token")
    if expires_at is not None and expires_at <= at:
        raise AccountError("The token would have expired already", "Choose a later day.", text="token_day")
    identity = START + secrets.token_hex(4)
    token = f"{identity}_{secrets.token_urlsafe(32)}"
    made = StoredToken(
        id=identity, hash=_hash(token), name=name, scopes=wanted, made_by=actor, created_at=at, expires_at=expires_at
    )
    # sorted: a set has no order, but the stored scopes need one.
    connection.execute(insert(API_TOKENS).values(msgspec.to_builtins(made, order="sorted")))
    detail = {"name": name, "scopes": sorted(wanted), "expires_at": expires_at}
    audit_log.append(connection, at, actor, "token.make", identity, detail)
    return token


def find_token(connection: Connection, token: str, at: float) -> StoredToken | None:
    """Return the token if it is accepted at `at`; otherwise None. The time does not reveal its secret part."""
    if not token.startswith(START) or not token.isascii():
        return None
    # Found by the public id. The time of a search for the hash would depend on the secret.
    row = connection.execute(select(API_TOKENS).where(API_TOKENS.c.id == token[:ID_LENGTH])).one_or_none()
    found = _token(row) if row else None
    return found if found and hmac.compare_digest(found.hash, _hash(token)) and found.works(at) else None


def touch_is_due(token: StoredToken, at: float) -> bool:
    """Tell whether `touch` is due."""
    return token.used_at is None or at - token.used_at >= USED_SECONDS


def touch_token(connection: Connection, token: StoredToken, at: float) -> None:
    """Record that the token was used at `at`."""
    connection.execute(update(API_TOKENS).where(API_TOKENS.c.id == token.id).values(used_at=at))


def revoke_token(connection: Connection, identity: str, at: float, actor: str) -> None:
    """Refuse a token from now on. Raises AccountError if there is no such token, or if it is revoked."""
    row = (API_TOKENS.c.id == identity, API_TOKENS.c.revoked_at.is_(None))
    if not connection.execute(update(API_TOKENS).where(*row).values(revoked_at=at)).rowcount:
        raise AccountError(f"There is no token {identity} to revoke", "Look at the list of tokens.", text="missing")
    audit_log.append(connection, at, actor, "token.revoke", identity)


def all_tokens(connection: Connection) -> list[StoredToken]:
    """Return all tokens, newest first."""
    query = select(API_TOKENS).order_by(API_TOKENS.c.created_at.desc(), API_TOKENS.c.id)
    return [_token(row) for row in connection.execute(query)]


def _token(row: Row[Any]) -> StoredToken:
    return msgspec.convert(fields_of(row), StoredToken)


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
