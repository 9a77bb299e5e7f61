"""Recovery codes: each replaces a one-time code, once. Each function runs in the caller's transaction."""

import base64
import secrets
from hashlib import sha256

from sqlalchemy import Connection, delete, func, insert, select

from pipeline.review.tables.access import RECOVERY_CODES

CODES = 10
RANDOM_BYTES = 10
"""80 random bits: too many to guess, also for somebody who has the hash."""


def renew(connection: Connection, account: str) -> list[str]:
    """Return new codes, four groups of four characters each. Earlier ones do not work any more."""
    forget(connection, account)
    codes = [base64.b32encode(secrets.token_bytes(RANDOM_BYTES)).decode().lower() for _ in range(CODES)]
    connection.execute(insert(RECOVERY_CODES), [{"account": account, "hash": _hash(account, code)} for code in codes])
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def use(connection: Connection, account: str, code: str) -> bool:
    """Tell whether the code is right, and use it up. Spaces, dashes and capitals do not matter."""
    given = "".join(code.split()).replace("-", "").lower()
    row = (RECOVERY_CODES.c.account == account, RECOVERY_CODES.c.hash == _hash(account, given))
    return bool(connection.execute(delete(RECOVERY_CODES).where(*row)).rowcount)


def left(connection: Connection, account: str) -> int:
    """Return how many codes an account has left."""
    query = select(func.count()).select_from(RECOVERY_CODES).where(RECOVERY_CODES.c.account == account)
    return int(connection.scalar(query) or 0)


def forget(connection: Connection, account: str) -> None:
    """Delete all codes of an account."""
    connection.execute(delete(RECOVERY_CODES).where(RECOVERY_CODES.c.account == account))


def _hash(account: str, code: str) -> str:
    return sha256(f"{account}\x1f{code}".encode()).hexdigest()
