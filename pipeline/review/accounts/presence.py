"""Who is at the desk: people with an open page of the queue who did something lately and take no break.

Several consoles may share a store. So each console writes the accounts of its open pages into the store.
Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

from collections.abc import Collection
from typing import Literal

from sqlalchemy import Connection, func, select

from pipeline.review.tables.core import SESSIONS
from pipeline.review.tables.queues import PRESENCE
from pipeline.review.tables.wellness import BREAKS
from pipeline.review.upsert import insert as upsert

WRITE_SECONDS = 15.0
"""Seconds between two writes of a console."""
GONE_SECONDS = 60.0
"""After this time without a write the page is closed. Reloading a page takes less."""
IDLE_SECONDS = 900.0
"""After this time without a request the person is away, although a page is open."""

Presence = Literal["here", "resting", "away"]


def note(connection: Connection, accounts: Collection[str], at: float) -> None:
    """Record that these accounts have an open page at `at`."""
    for account in sorted(accounts):  # sorted: two consoles write the same rows in the same order
        statement = upsert(connection, PRESENCE).values(account=account, seen_at=at)
        later = func.max if connection.dialect.name == "sqlite" else func.greatest
        newest = later(PRESENCE.c.seen_at, statement.excluded.seen_at)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[PRESENCE.c.account], set_={"seen_at": newest})
        )


def everybody(connection: Connection, at: float) -> dict[str, Presence]:
    """Return the presence of each account that is here or on a break. All others are away."""
    active = select(SESSIONS.c.account).where(SESSIONS.c.seen_at > at - IDLE_SECONDS)
    open_pages = select(PRESENCE.c.account).where(PRESENCE.c.seen_at > at - GONE_SECONDS)
    resting = set(connection.scalars(select(BREAKS.c.account).where(BREAKS.c.ended_at.is_(None))))
    present = connection.scalars(open_pages.where(PRESENCE.c.account.in_(active)))
    found: dict[str, Presence] = {name: "resting" if name in resting else "here" for name in present}
    return found


def here(connection: Connection, at: float) -> frozenset[str]:
    """Return the accounts that can take a case now."""
    return frozenset(name for name, presence in everybody(connection, at).items() if presence == "here")
