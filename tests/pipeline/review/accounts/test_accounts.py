"""Accounts that are refused, and the log of changes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.base.errors import AccountError
from pipeline.review.accounts import accounts
from pipeline.review.database import Database
from tests.builders import NOON


@pytest.mark.parametrize(("name", "message"), [("ana", "already"), ("", "not a valid"), ("a\nb", "not a valid")])
def test_invalid_accounts_are_refused(database: Database, name: str, message: str) -> None:
    with pytest.raises(AccountError, match=message), database.write() as connection:
        accounts.add(connection, name, "lead", NOON, "test")


@pytest.mark.parametrize("change", [{"role": "lead"}, {"disabled": True}])
def test_the_last_admin_stays(database: Database, change: dict[str, object]) -> None:
    with pytest.raises(AccountError, match="ada is the last admin"), database.write() as connection:
        accounts.change(connection, "ada", NOON, "ada", **change)
    with database.write() as connection:
        accounts.change(connection, "lea", NOON, "ada", role="admin")
        accounts.change(connection, "ada", NOON, "lea", **change)
    with pytest.raises(AccountError, match="lea is the last admin"), database.write() as connection:
        accounts.change(connection, "lea", NOON, "ada", **change)


def test_two_admins_cannot_demote_each_other_at_the_same_moment(database: Database) -> None:
    with database.write() as connection:
        accounts.change(connection, "lea", NOON, "ada", role="admin")

    def demote(name: str) -> bool:
        try:
            with database.write() as connection:
                accounts.change(connection, name, NOON, "test", role="lead")
        except AccountError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, ("ada", "lea"))) == [False, True]


def test_the_provider_may_demote_the_last_admin(database: Database) -> None:
    with database.write() as connection:
        accounts.known_elsewhere(connection, "subject", "ann", "admin", NOON)
        accounts.change(connection, "ada", NOON, "ann", disabled=True)
        assert accounts.known_elsewhere(connection, "subject", "ann", "lead", NOON).role == "lead"
