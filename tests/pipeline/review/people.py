"""Accounts, and a database with them."""

from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Role
from pipeline.review.database import Database
from tests.pipeline.review.builders import NOON

PASSWORD = "correct horse battery staple"  # noqa: S105 - of tests

PEOPLE: dict[str, Role] = {"ana": "moderator", "ben": "moderator", "lea": "lead", "ada": "admin", "aud": "auditor"}


def hire(database: Database) -> None:
    """All of PEOPLE, without passwords: most tests need none, and hashing takes its time."""
    with database.write() as connection:
        for name, role in PEOPLE.items():
            accounts.add(connection, name, role, NOON, "test")
