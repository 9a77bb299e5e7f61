"""Who is here, and who has which case open.

A person is here who has an open page of the queue, did something lately and takes no break. Several people may read a
case, but only the holder of its lease may decide it. Several consoles may share a store. So each console writes into
the store again and again which pages are open, and the store forgets a page after a time without word. What stays is
who was on duty in each quarter hour: who was here at some time of it.

Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

from collections.abc import Collection
from typing import Literal

from sqlalchemy import Connection, Select, bindparam, delete, func, literal, select, tuple_

from pipeline.review.database import insert_new, upsert
from pipeline.review.tables.core import ACCOUNTS, SESSIONS
from pipeline.review.tables.people_tables import BREAKS, DUTY, PRESENCE, VIEWERS

WRITE_SECONDS = 15.0
"""Seconds between two writes of a console."""
GONE_SECONDS = 60.0
"""After this time without a write the page is closed. Reloading a page takes less."""
IDLE_SECONDS = 900.0
"""After this time without a request the person is away, although a page is open."""
QUARTER = 900
"""Seconds of a quarter hour."""

Presence = Literal["here", "resting", "away"]

PRESENT = select(
    PRESENCE.c.account,
    PRESENCE.c.account.in_(select(BREAKS.c.account).where(BREAKS.c.ended_at.is_(None))),
).where(
    PRESENCE.c.seen_at > bindparam("open"),
    PRESENCE.c.account.in_(select(SESSIONS.c.account).where(SESSIONS.c.seen_at > bindparam("active"))),
)
"""The accounts that are here or on a break, and whether they are on a break."""


def note_presence(connection: Connection, accounts: Collection[str], at: float) -> None:
    """Record that these accounts have an open page at `at`, and that those of them who are here are on duty."""
    for account in sorted(accounts):  # sorted: two consoles write the same rows in the same order
        statement = upsert(connection, PRESENCE).values(account=account, seen_at=at)
        # SQLite's max of two values is called greatest in PostgreSQL. A late write must not make a page look older.
        later = func.max if connection.dialect.name == "sqlite" else func.greatest
        newest = later(PRESENCE.c.seen_at, statement.excluded.seen_at)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[PRESENCE.c.account], set_={"seen_at": newest})
        )
    _note_duty(connection, people_here(connection, at) & frozenset(accounts), at)


def forget_duty(connection: Connection, before: float) -> None:
    """Delete the record of the quarter hours that began before `before`."""
    connection.execute(delete(DUTY).where(DUTY.c.quarter < before / QUARTER))


def all_presences(connection: Connection, at: float) -> dict[str, Presence]:
    """Return the presence of each account that is here or on a break. All others are away."""
    rows = connection.execute(PRESENT, {"active": at - IDLE_SECONDS, "open": at - GONE_SECONDS})
    return {name: "resting" if resting else "here" for name, resting in rows}


def people_here(connection: Connection, at: float) -> frozenset[str]:
    """Return the accounts that can take a case now."""
    return frozenset(name for name, presence in all_presences(connection, at).items() if presence == "here")


SHOWN_SECONDS = 40.0
"""After this time without word, a page is closed. The page says a word every 15 seconds (`static/viewing.js`)."""
MOST_PAGES = 16
"""The most pages of an account that are remembered, as in `console/live_updates.py`."""

VIEWER_KEY = (VIEWERS.c.account, VIEWERS.c.page)


def note_viewer(connection: Connection, account: str, page: str, case: str, at: float) -> None:
    """Record that the page with the id `page` shows `case` to `account`. It shows no other case any more."""
    statement = upsert(connection, VIEWERS).values(account=account, page=page, case=case, until=at + SHOWN_SECONDS)
    fresh = {"case": statement.excluded.case, "until": statement.excluded.until}
    connection.execute(statement.on_conflict_do_update(index_elements=VIEWER_KEY, set_=fresh))
    theirs = select(*VIEWER_KEY).where(VIEWERS.c.account == account).order_by(VIEWERS.c.until.desc(), VIEWERS.c.page)
    _drop(connection, theirs.offset(MOST_PAGES))
    _drop(connection, select(*VIEWER_KEY).where(VIEWERS.c.until <= at))


def end_viewing(connection: Connection, account: str, page: str) -> None:
    """Record that a page shows no case any more."""
    connection.execute(delete(VIEWERS).where(VIEWERS.c.account == account, VIEWERS.c.page == page))


def all_viewers(connection: Connection, at: float) -> dict[str, frozenset[str]]:
    """Return the accounts that have a case open at `at`, by the case's id. Cases that nobody reads are left out."""
    found: dict[str, frozenset[str]] = {}
    for row in connection.execute(select(VIEWERS.c.case, VIEWERS.c.account).where(VIEWERS.c.until > at)):
        found[row.case] = found.get(row.case, frozenset()) | {row.account}
    return found


def _note_duty(connection: Connection, accounts: Collection[str], at: float) -> None:
    """Record that these accounts are on duty in the quarter hour of `at`. The first word of a quarter hour stays."""
    quarter = literal(int(at // QUARTER))
    theirs = select(quarter, ACCOUNTS.c.name, ACCOUNTS.c.role).where(ACCOUNTS.c.name.in_(accounts))
    # In order: two consoles that write the same rows must not wait for each other.
    rows = theirs.order_by(ACCOUNTS.c.name)
    connection.execute(insert_new(connection, DUTY).from_select(["quarter", "account", "role"], rows))


def _drop(connection: Connection, chosen: Select[tuple[str, str]]) -> None:
    """Delete rows, but none that another transaction has: two of these would wait for each other."""
    connection.execute(delete(VIEWERS).where(tuple_(*VIEWER_KEY).in_(chosen.with_for_update(skip_locked=True))))
