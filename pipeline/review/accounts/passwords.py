"""Passwords (Argon2id) and one-time codes (TOTP, RFC 6238)."""

import secrets

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 12
"""Characters of a password that a person chooses. Length is the only rule (NIST SP 800-63B)."""
MAX_LENGTH = 1_024

ISSUER = "Voxwarden"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""Steps by which the clock of a phone may be wrong."""

_hasher = PasswordHasher()  # argon2-cffi's defaults are the second profile of RFC 9106
_DUMMY = _hasher.hash(secrets.token_urlsafe())  # checked for unknown names, so that they take as long as known ones


def hashed(password: str) -> str:
    """Return the Argon2id hash of a password. This is slow on purpose."""
    return _hasher.hash(password)


def fits(password: str, stored: str | None) -> bool:
    """Tell whether `stored` is the hash of `password`.

    If `stored` is None, return False after the time of a real check. So the time does not reveal unknown names.
    """
    try:
        return _hasher.verify(stored or _DUMMY, password) and stored is not None
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
