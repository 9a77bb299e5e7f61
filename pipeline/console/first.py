"""The first login: made when nobody can sign in yet, told once, and never stored in clear."""

import time
from collections.abc import Callable

from pipeline.review.accounts import accounts, passwords
from pipeline.review.database import Database

NAME = "admin"


def first_login(database: Database, clock: Callable[[], float] = time.time) -> tuple[str, str] | None:
    """Name and password of a new admin; None where there are accounts already."""
    with database.read() as connection:
        if not accounts.nobody(connection):
            return None
    password = passwords.generated()
    with database.write() as connection:
        if not accounts.nobody(connection):
            return None  # another process was faster
        accounts.add(connection, NAME, "admin", clock(), "voxwarden", password=password)
    return NAME, password
