"""The first login. It is made when there is no account yet, and shown once. Only its hash is stored."""

import time
from collections.abc import Callable

from pipeline.base.errors import AccountError
from pipeline.review.accounts import accounts, passwords
from pipeline.review.database import Database

NAME = "admin"


def first_login(database: Database, clock: Callable[[], float] = time.time) -> tuple[str, str] | None:
    """Create an admin account if there are no accounts. Return its name and password; None if there are accounts."""
    with database.read() as connection:
        if not accounts.has_no_accounts(connection):
            return None
    password = passwords.generate_password()
    stored = passwords.hash_new_password(password, NAME)
    try:
        with database.write() as connection:
            if not accounts.has_no_accounts(connection):
                return None
            accounts.add_account(connection, NAME, "admin", clock(), "voxwarden", password=stored)
    except AccountError:
        return None  # another process made the account at the same moment
    return NAME, password
