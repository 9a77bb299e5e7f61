"""Password hashes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import AccountError
from pipeline.review.accounts import passwords
from pipeline.review.database import Database
from tests.pipeline.review.people import PASSWORD


def test_a_hash_is_argon2id_with_the_second_profile_of_rfc_9106() -> None:
    stored = passwords.hash_new_password(PASSWORD, "lin")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in stored
    assert stored != passwords.hash_new_password(PASSWORD, "lin")


def test_only_the_right_password_matches_its_hash() -> None:
    stored = passwords.hash_new_password(PASSWORD, "lin")
    assert passwords.password_fits(PASSWORD, stored)
    assert not passwords.password_fits(PASSWORD.capitalize(), stored)
    assert not passwords.password_fits(PASSWORD, None)
    assert not passwords.password_fits(PASSWORD, "no hash")


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
        passwords.check_strength(password, "lin")


@pytest.mark.parametrize("password", [PASSWORD, RANDOM, "春眠不觉晓处处闻啼鸟夜来", RANDOM + "a" * 900])
def test_a_good_password_is_accepted(password: str) -> None:
    passwords.check_strength(password, "lin")


def test_a_short_name_may_be_part_of_a_password() -> None:
    passwords.check_strength(PASSWORD, "or")


@given(st.builds(passwords.generate_password))
def test_a_generated_password_is_accepted(password: str) -> None:
    passwords.check_strength(password, "administrator")


def use(database: Database, code: str, name: str = "ana") -> bool:
    with database.write() as connection:
        return passwords.use_recovery_code(connection, name, code)


def renew(database: Database) -> list[str]:
    with database.write() as connection:
        return passwords.new_recovery_codes(connection, "ana")


def left(database: Database) -> int:
    with database.read() as connection:
        return passwords.recovery_codes_left(connection, "ana")


def test_each_code_works_once_and_only_for_its_account(database: Database) -> None:
    codes = renew(database)
    assert (len(set(codes)), left(database)) == (10, 10)
    assert not use(database, codes[0], "ben")
    assert [use(database, codes[0]) for _ in range(2)] == [True, False]
    assert use(database, f" {codes[1].upper().replace('-', ' ')} ")
    for wrong in ("", "-", codes[2][:-1], codes[2] + "a"):
        assert not use(database, wrong)
    assert left(database) == 8


def test_new_codes_replace_the_old_ones(database: Database) -> None:
    old = renew(database)
    new = renew(database)
    assert not use(database, old[0])
    assert use(database, new[0])
    with database.write() as connection:
        passwords.forget_recovery_codes(connection, "ana")
    assert left(database) == 0


def test_the_store_does_not_hold_the_codes(database: Database) -> None:
    codes = renew(database)
    with database.read() as connection:
        rows = str(connection.exec_driver_sql("SELECT * FROM recovery_codes").all())
    assert not any(code.replace("-", "") in rows for code in codes)
