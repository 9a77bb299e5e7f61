"""Known browsers: a cookie for each, for some accounts, for half a year."""

import pytest
from sqlalchemy import select

from pipeline.review.accounts import devices
from pipeline.review.accounts.devices import KEPT_SECONDS
from pipeline.review.database import Database
from pipeline.review.tables.core import DEVICES
from tests.builders import NOON


def remember(database: Database, token: str = "", name: str = "ana", at: float = NOON) -> str:
    with database.write() as connection:
        return devices.remember(connection, token, name, at)


def known(database: Database, token: str, name: str = "ana", at: float = NOON) -> bool:
    with database.read() as connection:
        return devices.known(connection, token, name, at) is not None


def test_only_the_cookie_of_the_same_account_is_known(database: Database) -> None:
    token = remember(database)
    assert known(database, token)
    assert not known(database, token, "ben")
    for other in ("", token[:-1], token + "x", token.swapcase()):
        assert not known(database, other)
    with database.read() as connection:
        assert token not in connection.scalars(select(DEVICES.c.id)).all()


def test_people_who_share_a_browser_share_its_cookie(database: Database) -> None:
    token = remember(database)
    assert remember(database, token, "ben") == token
    assert known(database, token)
    assert known(database, token, "ben")
    with database.write() as connection:
        devices.forget(connection, "ana")
    assert [known(database, token, name) for name in ("ana", "ben")] == [False, True]


@pytest.mark.parametrize("token", ["", "a cookie that somebody made up"])
def test_a_cookie_of_others_is_replaced(database: Database, token: str) -> None:
    assert len(remember(database, token)) > 40
    assert not known(database, token)


def test_a_browser_is_forgotten_after_half_a_year_without_a_sign_in(database: Database) -> None:
    token, other = remember(database), remember(database)
    assert remember(database, token, at=NOON + 9) == token
    assert known(database, token, at=NOON + 9 + KEPT_SECONDS)
    assert not known(database, other, at=NOON + 9 + KEPT_SECONDS)
    remember(database, at=NOON + 9 + KEPT_SECONDS)
    with database.read() as connection:
        assert len(connection.scalars(select(DEVICES.c.id)).all()) == 2
