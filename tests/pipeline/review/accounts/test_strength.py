"""Passwords that are refused: short, long, common, and those with the account's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AccountError
from pipeline.review.accounts import passwords, strength
from tests.pipeline.review.people import PASSWORD

RANDOM = "k3Jx9-2mPq_x8TzW"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "5 characters"),
        ("x" * 1_025, "1025 characters"),
        ("password1234", "easy to guess"),
        ("Password123!", "easy to guess"),
        ("qwertyuiop12", "easy to guess"),
        ("iloveyou1234", "easy to guess"),
        ("aaaaaaaaaaaaaaaa", "easy to guess"),
        ("voxwarden1234", "easy to guess"),
        ("correct LIN horse battery", "account's name"),
    ],
)
def test_a_weak_password_is_refused(password: str, why: str) -> None:
    with pytest.raises(AccountError, match=why):
        strength.check(password, "lin")


@pytest.mark.parametrize("password", [PASSWORD, RANDOM, "春眠不觉晓处处闻啼鸟夜来", RANDOM + "a" * 900])
def test_a_good_password_is_accepted(password: str) -> None:
    strength.check(password, "lin")


def test_a_short_name_may_be_part_of_a_password() -> None:
    strength.check(PASSWORD, "or")


@given(st.builds(passwords.generated))
def test_a_generated_password_is_accepted(password: str) -> None:
    strength.check(password, "administrator")
