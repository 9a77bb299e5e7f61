"""Passwords (Argon2id) and one-time codes (TOTP, RFC 6238).

A hash takes 64 MiB and about 0.1 s of all cores. So few run at once, and people who are known have turns of their own.
"""

import secrets
from typing import NewType

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pipeline.review.accounts import strength
from pipeline.review.accounts.slow_work import HashTurns

PasswordHash = NewType("PasswordHash", str)
"""An Argon2id hash. The type keeps a password from being stored in its place."""

STRANGERS = HashTurns(at_once=1, waiting=8)
"""Turns for people who sign in from a browser that is not known."""
KNOWN = HashTurns(at_once=1, waiting=8)
"""Turns for people who are signed in, or whose browser is known. Strangers cannot take them."""

ISSUER = "Voxwarden"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""Steps by which the clock of a phone may be wrong."""

_hasher = PasswordHasher()  # argon2-cffi's defaults are the second profile of RFC 9106
_DUMMY = _hasher.hash(secrets.token_urlsafe())  # checked for unknown names, so that they take as long as known ones


def new(password: str, name: str) -> PasswordHash:
    """Return the hash of a new password of the account `name`. This is slow on purpose: call it outside transactions.

    Raises AccountError for a password that `strength.py` refuses, and TooManyTries if too many people wait.
    """
    strength.check(password, name)
    with KNOWN.turn():
        return PasswordHash(_hasher.hash(password))


def fits(password: str, stored: str | None, turns: HashTurns = KNOWN) -> bool:
    """Tell whether `stored` is the hash of `password`. Raises TooManyTries if too many people wait.

    If `stored` is None, return False after the time of a real check. So the time does not reveal unknown names.
    """
    with turns.turn():
        try:
            return _hasher.verify(stored or _DUMMY, password[: strength.MAX_LENGTH]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def generated() -> str:
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
        if step > used and secrets.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.strip().encode()):
            return step
    return None
