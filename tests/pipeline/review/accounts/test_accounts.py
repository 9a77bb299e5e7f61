"""Accounts that are refused, and the log of changes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from hypothesis import given

from pipeline.base.errors import AccountError
from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences, ViewingLimits
from pipeline.review.database import Database
from tests.builders import NOON
from tests.pipeline.strategies import messages


@pytest.mark.parametrize(("name", "message"), [("ana", "already"), ("", "not a valid"), ("a\nb", "not a valid")])
def test_invalid_accounts_are_refused(database: Database, name: str, message: str) -> None:
    with pytest.raises(AccountError, match=message), database.write() as connection:
        accounts.add_account(connection, name, "lead", NOON, "test")


@pytest.mark.parametrize("change", [{"role": "lead"}, {"disabled": True}])
def test_the_last_admin_stays(database: Database, change: dict[str, object]) -> None:
    with pytest.raises(AccountError, match="ada is the last admin"), database.write() as connection:
        accounts.change_account(connection, "ada", NOON, "ada", **change)
    with database.write() as connection:
        accounts.change_account(connection, "lea", NOON, "ada", role="admin")
        accounts.change_account(connection, "ada", NOON, "lea", **change)
    with pytest.raises(AccountError, match="lea is the last admin"), database.write() as connection:
        accounts.change_account(connection, "lea", NOON, "ada", **change)


def test_two_admins_cannot_demote_each_other_at_the_same_moment(database: Database) -> None:
    with database.write() as connection:
        accounts.change_account(connection, "lea", NOON, "ada", role="admin")

    def demote(name: str) -> bool:
        try:
            with database.write() as connection:
                accounts.change_account(connection, name, NOON, "test", role="lead")
        except AccountError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, ("ada", "lea"))) == [False, True]


def test_the_provider_may_demote_the_last_admin(database: Database) -> None:
    with database.write() as connection:
        accounts.account_of_identity(connection, "subject", "ann", "admin", NOON)
        accounts.change_account(connection, "ada", NOON, "ann", disabled=True)
        assert accounts.account_of_identity(connection, "subject", "ann", "lead", NOON).role == "lead"


@given(messages(ViewingLimits))
def test_any_valid_limits_are_read_as_they_were_written(comfort: ViewingLimits) -> None:
    kept = Preferences(comfort=comfort)
    assert msgspec.convert(msgspec.to_builtins(kept), Preferences) == kept


@pytest.mark.parametrize(("minutes", "valid"), [(4, False), (5, True), (720, True), (721, False)])
@pytest.mark.parametrize("field", ["break_minutes", "most_minutes"])
def test_minutes_have_limits(field: str, minutes: int, valid: bool) -> None:
    assert accepted({field: minutes}) == valid


@pytest.mark.parametrize(("cases", "valid"), [(0, False), (1, True), (1_000, True), (1_001, False)])
@pytest.mark.parametrize("field", ["break_severe", "most_severe"])
def test_severe_cases_have_limits(field: str, cases: int, valid: bool) -> None:
    assert accepted({field: cases}) == valid


def test_a_new_account_has_limits_and_sees_everything() -> None:
    new = ViewingLimits()
    assert (new.without, new.cover, new.soften) == ((), False, False)
    assert new.break_minutes < new.most_minutes
    assert new.break_severe < new.most_severe
    assert accepted(msgspec.structs.asdict(new))


def accepted(fields: dict[str, Any]) -> bool:
    try:
        msgspec.convert(fields, ViewingLimits)
    except msgspec.ValidationError:
        return False
    return True


def test_comfort_is_stored_with_the_account(database: Database) -> None:
    comfort = ViewingLimits(without=("sexual",), soften=True, break_minutes=30)
    with database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(comfort=comfort))
    with database.read() as connection:
        found = accounts.find_account(connection, "ana")
    assert found
    assert found.preferences.comfort == comfort
