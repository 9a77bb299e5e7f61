"""Accounts for tests."""

from pipeline.review.accounts import accounts, presence, sign_in
from pipeline.review.accounts.accounts import Role
from pipeline.review.database import Database
from tests.builders import NOON

PASSWORD = "correct horse battery staple"  # noqa: S105 - of tests

PEOPLE: dict[str, Role] = {"ana": "moderator", "ben": "moderator", "lea": "lead", "ada": "admin", "aud": "auditor"}


def hire(database: Database) -> None:
    """Add all of PEOPLE to a database, without passwords: few tests need one, and hashing is slow."""
    with database.write() as connection:
        for name, role in PEOPLE.items():
            accounts.add_account(connection, name, role, NOON, "test")


def sit_down(database: Database, *names: str, at: float = NOON) -> None:
    """Sign people in and open a page of the queue for each, at `at` (UTC seconds)."""
    with database.write() as connection:
        for name in names:
            sign_in.begin_session(connection, name, at)
        presence.note_presence(connection, names, at)
