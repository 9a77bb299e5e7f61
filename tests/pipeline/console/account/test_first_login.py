"""The first login is made once, for an admin, and nobody can read its password in the store."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import select

from pipeline.console.account.first_login import NAME, first_login
from pipeline.review import audit_log
from pipeline.review.accounts import accounts
from pipeline.review.accounts.sign_in import SignIn, Visitor
from pipeline.review.database import Database
from pipeline.review.tables.core import ACCOUNTS
from tests.builders import NOON

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def test_an_empty_store_gets_one_admin_who_can_sign_in(url: str) -> None:
    with closing(Database(url)) as database:
        made = first_login(database, lambda: NOON)
        assert made is not None
        name, password = made
        with database.read() as connection:
            [account] = accounts.all_accounts(connection)
            [row] = connection.execute(select(ACCOUNTS)).all()
            [line] = audit_log.all_lines(connection)
        assert (name, account.name, account.role, account.disabled) == (NAME, NAME, "admin", False)
        assert password not in str(row)
        assert (line.at, line.actor, line.action) == (NOON, "voxwarden", "account.add")
        door = SignIn(database, lambda: NOON)
        assert door.sign_in(name, password, "", Visitor())
        assert not door.sign_in(name, password + "x", "", Visitor())
        assert first_login(database) is None


def test_any_account_is_enough(database: Database) -> None:
    assert first_login(database) is None
    with database.read() as connection:
        assert accounts.find_account(connection, NAME) is None


def test_processes_that_start_together_make_one_account(url: str) -> None:
    database = Database(url)
    try:
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: first_login(database), range(4)))
        assert sum(one is not None for one in made) == 1
    finally:
        database.close()
