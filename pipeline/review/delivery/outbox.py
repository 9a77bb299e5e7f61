"""Events for the app. The transaction that causes an event stores it; it is sent later, at least once, in no order.

An event is `waiting`, then `sending`, then `sent`. It is `withdrawn` if an undo came before it was sent, and `failed`
if every try failed. Each function runs in a transaction that the caller opened.
"""

import uuid
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from pipeline.messages import NAMESPACE
from pipeline.review.tables.core import OUTBOX

HELD_SECONDS = 120.0
"""Seconds that a sender has to report the result. After that, the event is sent again."""

PAUSES = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Seconds before each further try. The sum is more than a day."""


class OutboxEvent(Struct, frozen=True):
    """An event that is due. `created_at` is UTC seconds."""

    id: str
    kind: str
    payload: dict[str, Any]
    created_at: float
    attempts: int
    """Number of tries, the present one included."""


def put(connection: Connection, kind: str, about: str, payload: dict[str, Any], at: float, send_at: float) -> str:
    """Store an event of `kind` (e.g. case.decided) about the decision with the id `about`; return the event's id.

    `send_at` is the earliest time to send it. Both times are UTC seconds.
    """
    identity = str(uuid.uuid5(NAMESPACE, f"event\x1f{kind}\x1f{about}"))
    values = {"id": identity, "kind": kind, "about": about, "payload": payload, "created_at": at, "send_at": send_at}
    connection.execute(insert(OUTBOX).values(values | {"attempts": 0, "error": "", "status": "waiting"}))
    return identity


def withdraw(connection: Connection, about: str, at: float) -> None:
    """Withdraw the events about the decision `about`.

    Unsent events are never sent. For each event that the app may already have, store a `case.undone` event.
    """
    query = select(OUTBOX).where(OUTBOX.c.about == about).with_for_update()
    for event in connection.execute(query).all():
        if event.status == "waiting":
            connection.execute(update(OUTBOX).where(OUTBOX.c.id == event.id).values(status="withdrawn"))
        elif event.status in {"sending", "sent"}:
            put(connection, "case.undone", about, dict(event.payload), at, at)


def take(connection: Connection, at: float, limit: int = 20) -> list[OutboxEvent]:
    """Return the events that are due at `at` (UTC seconds), earliest first, at most `limit`.

    For HELD_SECONDS no other sender gets them.
    """
    due = (
        select(OUTBOX)
        .where(OUTBOX.c.status.in_(("waiting", "sending")), OUTBOX.c.send_at <= at)
        .order_by(OUTBOX.c.send_at, OUTBOX.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = [
        OutboxEvent(row.id, row.kind, row.payload, row.created_at, row.attempts + 1) for row in connection.execute(due)
    ]
    for event in taken:
        _set(connection, event, status="sending", attempts=event.attempts, send_at=at + HELD_SECONDS)
    return taken


def sent(connection: Connection, event: OutboxEvent) -> None:
    """Record that the app accepted the event."""
    _set(connection, event, status="sent", error="")


def refused(connection: Connection, event: OutboxEvent, error: str, at: float) -> bool:
    """Plan the next try of an event that failed with `error`. Return True if there are no more tries."""
    over = event.attempts > len(PAUSES)
    pause = 0.0 if over else PAUSES[event.attempts - 1]
    _set(connection, event, status="failed" if over else "sending", error=error[:500], send_at=at + pause)
    return over


def failed(connection: Connection) -> int:
    """Count the events that failed at every try."""
    query = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.status == "failed")
    return int(connection.execute(query).scalar_one())


def _set(connection: Connection, event: OutboxEvent, **values: Any) -> None:
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == event.id).values(values))
