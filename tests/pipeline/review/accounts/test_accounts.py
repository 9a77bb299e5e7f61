"""Accounts that are refused, and the log of changes."""

import pytest

from pipeline.errors import AccountError
from pipeline.review.accounts import accounts
from pipeline.review.database import Database
from tests.builders import NOON


@pytest.mark.parametrize(("name", "message"), [("ana", "already"), ("", "not a valid"), ("a\nb", "not a valid")])
def test_invalid_accounts_are_refused(database: Database, name: str, message: str) -> None:
    with pytest.raises(AccountError, match=message), database.write() as connection:
        accounts.add(connection, name, "lead", NOON, "test")
