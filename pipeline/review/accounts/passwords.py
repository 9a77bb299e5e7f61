"""Passwords (Argon2id), one-time codes (TOTP, RFC 6238), and the recovery codes that replace one-time codes.

`login_limits.py` limits how many passwords are hashed at once.
"""

import base64
import secrets
from hashlib import sha256
from typing import NewType

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, func, insert, select

from pipeline.base.errors import AccountError
from pipeline.review.accounts.login_limits import KNOWN, HashTurns
from pipeline.review.tables.people_tables import RECOVERY_CODES

MIN_LENGTH = 12
"""Characters of a password that a person chooses (NIST SP 800-63B)."""
MAX_LENGTH = 1_024
MIN_SCORE = 3
"""The lowest accepted score of zxcvbn: more than 10^8 guesses."""
SCORED_LENGTH = 72
"""zxcvbn looks at so many characters. Its time grows with the square of the length."""
MIN_NAME_LENGTH = 3
"""A shorter name may be part of a password."""


def check_strength(password: str, name: str) -> None:
    """Raise AccountError if the password of the account `name` is too short, too long or easy to guess."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise AccountError(
            f"The password has {len(password)} characters",
            f"Use {MIN_LENGTH} to {MAX_LENGTH} characters.",
            text="password_length",
            least=MIN_LENGTH,
            most=MAX_LENGTH,
        )
    if len(name) >= MIN_NAME_LENGTH and name.casefold() in password.casefold():
        raise AccountError("The password contains the account's name", "Choose another one.", text="password_name")
    if _score(password[:SCORED_LENGTH], name) < MIN_SCORE:
        raise AccountError(
            "The password is easy to guess", "Use four or more words that do not belong together.", text="password_weak"
        )


def _score(password: str, name: str) -> int:
    from zxcvbn import zxcvbn  # its lists of words are large, and few commands need them

    return int(zxcvbn(password, user_inputs=[name, "voxwarden"])["score"])


PasswordHash = NewType("PasswordHash", str)
"""An Argon2id hash. The type keeps a password from being stored in its place."""

ISSUER = "Voxwarden"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""Steps by which the clock of a phone may be wrong."""

_hasher = PasswordHasher()  # argon2-cffi's defaults are the second profile of RFC 9106
_DUMMY = _hasher.hash(secrets.token_urlsafe())  # checked for unknown names, so that they take as long as known ones


def hash_new_password(password: str, name: str) -> PasswordHash:
    """Return the hash of a new password of the account `name`. This is slow on purpose: call it outside transactions.

    Raises AccountError for a password that `check_strength` refuses, and TooManyTries if too many people wait.
    """
    check_strength(password, name)
    with KNOWN.turn():
        return PasswordHash(_hasher.hash(password))


def password_fits(password: str, stored: str | None, turns: HashTurns = KNOWN) -> bool:
    """Tell whether `stored` is the hash of `password`. Raises TooManyTries if too many people wait.

    If `stored` is None, return False after the time of a real check. So the time does not reveal unknown names.
    """
    with turns.turn():
        try:
            # No stored password is longer than MAX_LENGTH, so the rest need not be hashed.
            return _hasher.verify(stored or _DUMMY, password[:MAX_LENGTH]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def generate_password() -> str:
    """Return a new password: 120 random bits as 20 URL-safe characters."""
    return secrets.token_urlsafe(15)


def totp_secret() -> str:
    """Return a new random secret for one-time codes, in base32."""
    return pyotp.random_base32()


def totp_uri(name: str, secret: str) -> str:
    """Return the `otpauth://` URI that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def totp_step(code: str, secret: str, at: float, used: int) -> int | None:
    """Return the time step of `code`, or None if the code is wrong.

    The step must be within DRIFT_STEPS of `at` (UTC seconds), and later than `used`, the last step used.
    """
    now = int(at // STEP_SECONDS)
    totp = pyotp.TOTP(secret)
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        # Bytes, because compare_digest refuses text that is not ASCII.
        if step > used and secrets.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.strip().encode()):
            return step
    return None


RECOVERY_CODE_COUNT = 10
"""Codes of an account. Each replaces a one-time code, once."""
RECOVERY_CODE_BYTES = 10
"""80 random bits: too many to guess, also for somebody who has the hash."""


def new_recovery_codes(connection: Connection, account: str) -> list[str]:
    """Return new recovery codes, four groups of four characters each. Earlier ones do not work any more."""
    forget_recovery_codes(connection, account)
    codes = [
        base64.b32encode(secrets.token_bytes(RECOVERY_CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODE_COUNT)
    ]
    connection.execute(insert(RECOVERY_CODES), [{"account": account, "hash": _hash(account, code)} for code in codes])
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def use_recovery_code(connection: Connection, account: str, code: str) -> bool:
    """Tell whether the code is right, and use it up. Spaces, dashes and capitals do not matter."""
    given = "".join(code.split()).replace("-", "").lower()
    row = (RECOVERY_CODES.c.account == account, RECOVERY_CODES.c.hash == _hash(account, given))
    # The DELETE decides: of two requests with the same code, only one finds the row.
    return bool(connection.execute(delete(RECOVERY_CODES).where(*row)).rowcount)


def recovery_codes_left(connection: Connection, account: str) -> int:
    """Return how many codes an account has left."""
    query = select(func.count()).select_from(RECOVERY_CODES).where(RECOVERY_CODES.c.account == account)
    return int(connection.scalar(query) or 0)


def forget_recovery_codes(connection: Connection, account: str) -> None:
    """Delete all codes of an account."""
    connection.execute(delete(RECOVERY_CODES).where(RECOVERY_CODES.c.account == account))


def _hash(account: str, code: str) -> str:
    return sha256(f"{account}\x1f{code}".encode()).hexdigest()
