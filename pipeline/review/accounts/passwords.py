"""Passwords (Argon2id) and one-time codes (TOTP, RFC 6238)."""

import secrets

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
"""Characters of a password that a person chooses; length is all that is asked (NIST SP 800-63B)."""
MAX_LENGTH = 1_024

ISSUER = "Voxwarden"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""A telephone's clock may be off by so many steps."""

_hasher = PasswordHasher()  # argon2-cffi's defaults are the second profile of RFC 9106
_NOBODY = _hasher.hash(secrets.token_urlsafe())


def hashed(password: str) -> str:
    return _hasher.hash(password)


def fits(password: str, stored: str | None) -> bool:
    """Whether `password` is the one that `stored` is of; None takes as long and fits nothing."""
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def generated() -> str:
    """120 random bits, as text that can be read out."""
    return secrets.token_urlsafe(15)


def totp_secret() -> str:
    return pyotp.random_base32()


def totp_uri(name: str, secret: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER)


def totp_step(code: str, secret: str, at: float, used: int) -> int | None:
    """The step that `code` is of, if it is near `at` (UTC seconds) and later than the one `used` last."""
    now = int(at // STEP_SECONDS)
    totp = pyotp.TOTP(secret)
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > used and secrets.compare_digest(totp.at(step * STEP_SECONDS).encode(), code.strip().encode()):
            return step
    return None
