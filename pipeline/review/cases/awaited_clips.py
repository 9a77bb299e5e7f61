"""Cases whose clip is awaited, because the store of the clips did not take it. Deliver cuts it again later.

Each function runs in a transaction that the caller opened.
"""

from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, select, update

from pipeline.review.cases import reading
from pipeline.review.database import upsert
from pipeline.review.tables.case_tables import AWAITED_CLIPS
from pipeline.review.tables.core import EVIDENCE

RETRY_SECONDS = 60.0
"""From one try to the next. Meanwhile the other clips have their turn, and no other process tries the same clip."""

DUE = (
    select(AWAITED_CLIPS.c.case_id)
    .where(AWAITED_CLIPS.c.due_at <= bindparam("at"))
    .order_by(AWAITED_CLIPS.c.due_at)
    .limit(1)
)
"""Query for the case whose clip is due longest at the time `at` (UTC seconds)."""


class AwaitedClip(Struct, frozen=True):
    """A clip that a process cuts now. The next try is due at `due_at` (UTC seconds)."""

    case: str
    due_at: float


def put_off(connection: Connection, case: str, at: float) -> None:
    """Let the clip of a case be cut later, from `at` (UTC seconds) on. Raises Missing if there is no such case."""
    # An erasure of the case waits for this, or this raises Missing.
    reading.case(connection, case, lock=True)
    row = upsert(connection, AWAITED_CLIPS).values(case_id=case, due_at=at)
    connection.execute(row.on_conflict_do_update(index_elements=["case_id"], set_={"due_at": at}))


def claim(connection: Connection, at: float) -> AwaitedClip | None:
    """Return the clip that is due longest at `at` (UTC seconds), and let no other process have it for RETRY_SECONDS."""
    case = connection.scalar(DUE.with_for_update(skip_locked=True), {"at": at})
    if case is None:
        return None
    taken = AwaitedClip(case, at + RETRY_SECONDS)
    connection.execute(update(AWAITED_CLIPS).where(AWAITED_CLIPS.c.case_id == case).values(due_at=taken.due_at))
    return taken


def settle(connection: Connection, tried: AwaitedClip) -> None:
    """Note that nothing is left to wait for: the clip is stored, or its audio is gone.

    If the clip was put off again meanwhile, it stays awaited.
    """
    mine = (AWAITED_CLIPS.c.case_id == tried.case) & (AWAITED_CLIPS.c.due_at == tried.due_at)
    stored = select(EVIDENCE.c.path).where(EVIDENCE.c.case_id == tried.case).exists()
    connection.execute(delete(AWAITED_CLIPS).where(mine, stored))
    connection.execute(update(AWAITED_CLIPS).where(mine).values(due_at=None))


def state_of(connection: Connection, case: str) -> Literal["awaited", "gone"] | None:
    """Return whether the clip of a case is awaited, or was awaited until its audio was gone; None for other cases."""
    row = connection.execute(select(AWAITED_CLIPS.c.due_at).where(AWAITED_CLIPS.c.case_id == case)).one_or_none()
    if row is None:
        return None
    return "gone" if row.due_at is None else "awaited"
