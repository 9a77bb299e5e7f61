"""Tokens of programs: made once, found by their whole text, ended by time or by hand."""

import pytest
from sqlalchemy import select

from pipeline.base.errors import AccountError
from pipeline.review import audit_log
from pipeline.review.accounts import api_tokens
from pipeline.review.accounts.api_tokens import StoredToken
from pipeline.review.database import Database
from pipeline.review.tables.people_tables import API_TOKENS
from tests.builders import NOON


def make(database: Database, expires_at: float | None = None) -> str:
    with database.write() as connection:
        return api_tokens.make_token(connection, "voice app", ["reports", "cases"], expires_at, NOON, "ada")


def find(database: Database, token: str, at: float = NOON) -> StoredToken | None:
    with database.read() as connection:
        return api_tokens.find_token(connection, token, at)


def test_only_the_whole_token_is_accepted(database: Database) -> None:
    token = make(database)
    found = find(database, token)
    assert found is not None
    assert (found.id, sorted(found.scopes), found.made_by) == (token[:11], ["cases", "reports"], "ada")
    for other in ("", "vw_", token[:11], token[:-1], token + "x", token.swapcase(), "vw_字"):
        assert find(database, other) is None


def test_the_store_and_the_log_do_not_hold_the_token(database: Database) -> None:
    secret = make(database)[11:]
    with database.read() as connection:
        assert secret not in str(connection.execute(select(API_TOKENS)).all()) + str(
            list(audit_log.all_lines(connection))
        )


def test_a_token_ends_with_its_time(database: Database) -> None:
    token = make(database, NOON + 10)
    assert find(database, token, NOON + 9.9)
    assert find(database, token, NOON + 10) is None


def test_a_revoked_token_is_refused_at_once_and_its_end_is_logged(database: Database) -> None:
    token, other = make(database), make(database)
    with database.write() as connection:
        api_tokens.revoke_token(connection, token[:11], NOON, "ada")
    assert [find(database, each) is not None for each in (token, other)] == [False, True]
    with pytest.raises(AccountError), database.write() as connection:
        api_tokens.revoke_token(connection, token[:11], NOON, "ada")
    with database.read() as connection:
        assert [line.action for line in audit_log.newest_lines(connection, subject=token[:11])] == [
            "token.revoke",
            "token.make",
        ]


def test_the_last_use_is_stored_once_a_minute(database: Database) -> None:
    token = make(database)
    found = find(database, token)
    assert found
    assert api_tokens.touch_is_due(found, NOON)
    with database.write() as connection:
        api_tokens.touch_token(connection, found, NOON)
    found = find(database, token)
    assert found
    assert found.used_at == NOON
    assert [api_tokens.touch_is_due(found, NOON + later) for later in (59, 60)] == [False, True]


@pytest.mark.parametrize(("name", "scopes", "end"), [(" ", ["cases"], None), ("x", [], None), ("x", ["cases"], NOON)])
def test_a_token_without_name_scope_or_future_is_refused(
    database: Database, name: str, scopes: list[api_tokens.TokenScope], end: float | None
) -> None:
    with pytest.raises(AccountError), database.write() as connection:
        api_tokens.make_token(connection, name, scopes, end, NOON, "ada")
