"""Sign-in and accounts."""

import pyotp
import pytest

from pipeline.errors import AccountError
from pipeline.review import audit
from pipeline.review.accounts import accounts, passwords, sessions
from pipeline.review.database import Database
from tests.builders import NOON
from tests.pipeline.review.people import PASSWORD

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def enter(database: Database, password: str = PASSWORD, code: str = "", at: float = NOON, name: str = "zoe") -> bool:
    return accounts.sign_in(database, name, password, code, at) is not None


@pytest.fixture
def zoe(database: Database) -> Database:
    with database.write() as connection:
        accounts.add(connection, "zoe", "moderator", NOON, "test", password=PASSWORD)
    return database


def test_only_the_right_password_signs_in(zoe: Database) -> None:
    assert enter(zoe)
    assert not enter(zoe, "Correct horse battery staple")
    assert not enter(zoe, name="nobody")
    assert not enter(zoe, "", name="ana"), "an account without a password cannot sign in here"
    with zoe.read() as connection:
        found = accounts.find(connection, "zoe")
        assert found is not None
        assert PASSWORD not in str(found.password)
        assert [line.action for line in audit.lines(connection, after=6)] == ["login", *["login.refused"] * 3]


def test_wrong_passwords_lock_the_account_for_a_while(zoe: Database) -> None:
    for _ in range(6):
        assert not enter(zoe, "wrong wrong wrong")
    assert not enter(zoe, at=NOON + 1)
    assert enter(zoe, at=NOON + 2)


def test_a_disabled_account_cannot_sign_in(zoe: Database) -> None:
    with zoe.write() as connection:
        token = sessions.begin(connection, "zoe", NOON)
        accounts.change(connection, "zoe", NOON, "test", disabled=True)
        assert sessions.find(connection, token, NOON) is None
    assert not enter(zoe)


def test_a_one_time_code_is_required_and_works_once(zoe: Database) -> None:
    secret = passwords.totp_secret()
    with zoe.write() as connection:
        accounts.change(connection, "zoe", NOON, "test", totp_secret=secret)
    code = pyotp.TOTP(secret).at(int(NOON))
    assert not enter(zoe)
    assert not enter(zoe, code="000000" if code != "000000" else "111111")
    assert not enter(zoe, code="１２３４５６")
    assert enter(zoe, code=code)
    assert not enter(zoe, code=code)
    assert enter(zoe, code=pyotp.TOTP(secret).at(int(NOON) + 30), at=NOON + 30)


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("zoe", PASSWORD, "already"),
        ("", PASSWORD, "not a valid"),
        ("a\nb", PASSWORD, "not a valid"),
        ("x", "short", "5"),
    ],
)
def test_invalid_accounts_are_refused(zoe: Database, name: str, password: str, message: str) -> None:
    with pytest.raises(AccountError, match=message), zoe.write() as connection:
        accounts.add(connection, name, "lead", NOON, "test", password=password)
