"""Which passwords are refused: short ones, common ones, and those with the account's name in them."""

from pipeline.base.errors import AccountError

MIN_LENGTH = 12
"""Characters of a password that a person chooses (NIST SP 800-63B)."""
MAX_LENGTH = 1_024
ENOUGH = 3
"""The lowest accepted score of zxcvbn: more than 10^8 guesses."""
LOOKED_AT = 72
"""zxcvbn looks at so many characters. Its time grows with the square of the length."""
SHORTEST_NAME = 3
"""A shorter name may be part of a password."""


def check(password: str, name: str) -> None:
    """Raise AccountError if the password of the account `name` is too short, too long or easy to guess."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise AccountError(
            f"The password has {len(password)} characters",
            f"Use {MIN_LENGTH} to {MAX_LENGTH} characters.",
            text="password_length",
            least=MIN_LENGTH,
            most=MAX_LENGTH,
        )
    if len(name) >= SHORTEST_NAME and name.casefold() in password.casefold():
        raise AccountError("The password contains the account's name", "Choose another one.", text="password_name")
    if _score(password[:LOOKED_AT], name) < ENOUGH:
        raise AccountError(
            "The password is easy to guess", "Use four or more words that do not belong together.", text="password_weak"
        )


def _score(password: str, name: str) -> int:
    from zxcvbn import zxcvbn  # its lists of words are large, and few commands need them

    return int(zxcvbn(password, user_inputs=[name, "voxwarden"])["score"])
