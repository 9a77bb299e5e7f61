"""A person's own limits are stored with the account, and limits that protect nobody are refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences
from pipeline.review.accounts.viewing_comfort import Comfort
from pipeline.review.database import Database
from tests.pipeline.strategies import messages


@given(messages(Comfort))
def test_any_valid_limits_are_read_as_they_were_written(comfort: Comfort) -> None:
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
    new = Comfort()
    assert (new.without, new.cover, new.soften) == ((), False, False)
    assert new.break_minutes < new.most_minutes
    assert new.break_severe < new.most_severe
    assert accepted(msgspec.structs.asdict(new))


def accepted(fields: dict[str, Any]) -> bool:
    try:
        msgspec.convert(fields, Comfort)
    except msgspec.ValidationError:
        return False
    return True


def test_comfort_is_stored_with_the_account(database: Database) -> None:
    comfort = Comfort(without=("sexual",), soften=True, break_minutes=30)
    with database.write() as connection:
        accounts.prefer(connection, "ana", Preferences(comfort=comfort))
    with database.read() as connection:
        found = accounts.find(connection, "ana")
    assert found
    assert found.preferences.comfort == comfort
