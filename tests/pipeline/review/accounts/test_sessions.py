"""A session begins with a token, and ends by sign-out, after a shift, when idle, or with its account."""

import pytest
from sqlalchemy import select

from pipeline.review.accounts import accounts, sessions
from pipeline.review.accounts.sessions import IDLE_SECONDS, LONGEST_SECONDS, LoginSession
from pipeline.review.database import Database
from pipeline.review.tables.core import SESSIONS
from tests.builders import NOON


def begin(database: Database, at: float = NOON, name: str = "ana") -> str:
    with database.write() as connection:
        return sessions.begin(connection, name, at)


def find(database: Database, token: str, at: float = NOON) -> LoginSession | None:
    with database.read() as connection:
        return sessions.find(connection, token, at)


def found(database: Database, token: str, at: float = NOON) -> LoginSession:
    session = find(database, token, at)
    assert session is not None
    return session


def test_only_the_whole_token_finds_the_session(database: Database) -> None:
    token = begin(database)
    session = found(database, token)
    assert (session.account.name, session.account.role, session.seen_at) == ("ana", "moderator", NOON)
    # The id of the session is in the database, and it is not the token.
    for other in ("", token[:-1], token + "x", token.swapcase(), session.id, session.csrf, "%", "\x00"):
        assert find(database, other) is None


def test_the_database_does_not_contain_the_token(database: Database) -> None:
    token = begin(database)
    with database.read() as connection:
        [row] = connection.execute(select(SESSIONS)).all()
    assert token not in map(str, row)


def test_every_session_has_its_own_secrets(database: Database) -> None:
    tokens = [begin(database) for _ in range(3)]
    kept = [found(database, token) for token in tokens]
    assert len({*tokens, *(one.csrf for one in kept), *(one.id for one in kept)}) == 9


def test_an_idle_session_ends_unless_it_is_used(database: Database) -> None:
    token = begin(database)
    session = found(database, token, NOON + IDLE_SECONDS)
    assert find(database, token, NOON + IDLE_SECONDS + 1) is None
    with database.write() as connection:
        sessions.touch(connection, session, NOON + IDLE_SECONDS)
    assert find(database, token, NOON + 2 * IDLE_SECONDS) is not None
    assert find(database, token, NOON + 2 * IDLE_SECONDS + 1) is None


def test_a_session_in_use_ends_after_a_shift(database: Database) -> None:
    token = begin(database)
    with database.write() as connection:
        sessions.touch(connection, found(database, token), NOON + LONGEST_SECONDS - 1)
    assert find(database, token, NOON + LONGEST_SECONDS) is not None
    assert find(database, token, NOON + LONGEST_SECONDS + 1) is None


def test_a_sign_out_ends_one_session_only(database: Database) -> None:
    first, second, bens = begin(database), begin(database), begin(database, name="ben")
    with database.write() as connection:
        sessions.end(connection, found(database, first))
    assert [find(database, token) is not None for token in (first, second, bens)] == [False, True, True]


@pytest.mark.parametrize("changes", [{"role": "lead"}, {"totp_secret": "A" * 32}, {"disabled": True}])
def test_a_change_of_the_account_ends_all_its_sessions(database: Database, changes: dict[str, object]) -> None:
    anas, bens = [begin(database), begin(database)], begin(database, name="ben")
    with database.write() as connection:
        accounts.change(connection, "ana", NOON, "ada", **changes)
    assert [find(database, token) for token in anas] == [None, None]
    assert find(database, bens) is not None


def test_a_disabled_account_has_no_session_even_if_its_row_is_left(database: Database) -> None:
    with database.write() as connection:
        accounts.change(connection, "ana", NOON, "ada", disabled=True)
    assert find(database, begin(database)) is None


def test_a_new_session_deletes_only_expired_ones(database: Database) -> None:
    idle, used = begin(database), begin(database, name="ben")
    with database.write() as connection:
        sessions.touch(connection, found(database, used), NOON + IDLE_SECONDS)
    newest = begin(database, NOON + IDLE_SECONDS + 1, "lea")
    with database.read() as connection:
        kept = set(connection.scalars(select(SESSIONS.c.account)))
    assert kept == {"ben", "lea"}
    assert find(database, idle) is None
    assert found(database, newest, NOON + IDLE_SECONDS + 1).account.name == "lea"
