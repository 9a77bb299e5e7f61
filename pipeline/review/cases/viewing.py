"""Who has a case open to read. Only the holder of its lease may decide it, but several people may look.

Several consoles may share a store. So each open page says again and again which case it shows, and the store forgets
the page after a time without word. No row of a case is locked. Each function runs in a transaction that the caller
opened. Times are UTC seconds.
"""

from sqlalchemy import Connection, Select, delete, select, tuple_

from pipeline.review.tables.queues import VIEWERS
from pipeline.review.upsert import insert as upsert

SHOWN_SECONDS = 40.0
"""After this time without word, a page is closed. The page says a word every 15 seconds (`static/viewing.js`)."""
MOST_PAGES = 16
"""The most pages of an account that are remembered, as in `console/live.py`."""

KEY = (VIEWERS.c.account, VIEWERS.c.page)


def note(connection: Connection, account: str, page: str, case: str, at: float) -> None:
    """Record that the page with the id `page` shows `case` to `account`. It shows no other case any more."""
    statement = upsert(connection, VIEWERS).values(account=account, page=page, case=case, until=at + SHOWN_SECONDS)
    fresh = {"case": statement.excluded.case, "until": statement.excluded.until}
    connection.execute(statement.on_conflict_do_update(index_elements=KEY, set_=fresh))
    theirs = select(*KEY).where(VIEWERS.c.account == account).order_by(VIEWERS.c.until.desc(), VIEWERS.c.page)
    _drop(connection, theirs.offset(MOST_PAGES))
    _drop(connection, select(*KEY).where(VIEWERS.c.until <= at))


def end(connection: Connection, account: str, page: str) -> None:
    """Record that a page shows no case any more."""
    connection.execute(delete(VIEWERS).where(VIEWERS.c.account == account, VIEWERS.c.page == page))


def everybody(connection: Connection, at: float) -> dict[str, frozenset[str]]:
    """Return the accounts that have a case open at `at`, by the case's id. Cases that nobody reads are left out."""
    found: dict[str, frozenset[str]] = {}
    for row in connection.execute(select(VIEWERS.c.case, VIEWERS.c.account).where(VIEWERS.c.until > at)):
        found[row.case] = found.get(row.case, frozenset()) | {row.account}
    return found


def _drop(connection: Connection, chosen: Select[tuple[str, str]]) -> None:
    """Delete rows, but none that another transaction has: two of these would wait for each other."""
    connection.execute(delete(VIEWERS).where(tuple_(*KEY).in_(chosen.with_for_update(skip_locked=True))))
