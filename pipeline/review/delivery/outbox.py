"""Events for the app, stored in the transaction that causes them and sent later, at least once, in no order.

An event is `waiting`, then `sending` (somebody has it in hand), then `sent`; or `withdrawn` before it was sent, or
`failed` when nobody took it for long. Each function runs on a connection whose transaction the caller opened.
"""

import uuid
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from pipeline.messages import NAMESPACE
from pipeline.review.tables.core import OUTBOX

HELD_SECONDS = 120.0
"""An event that somebody took to send, and of which nothing was heard for so long, is sent again."""

PAUSES = (5.0, 60.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
"""Seconds before each further try: over a day in all."""


class OutboxEvent(Struct, frozen=True):
    id: str
    kind: str
    payload: dict[str, Any]
    created_at: float
    attempts: int
    """This one counted."""


def put(connection: Connection, kind: str, about: str, payload: dict[str, Any], at: float, send_at: float) -> str:
    """Store an event of `kind` (e.g. case.decided) about the thing of id `about`; gives the event's id."""
    identity = str(uuid.uuid5(NAMESPACE, f"event\x1f{kind}\x1f{about}"))
    values = {"id": identity, "kind": kind, "about": about, "payload": payload, "created_at": at, "send_at": send_at}
    connection.execute(insert(OUTBOX).values(values | {"attempts": 0, "error": "", "status": "waiting"}))
    return identity


def withdraw(connection: Connection, about: str, at: float) -> None:
    """Take back what is told about `about`: unsent events stay unsent, of those that may be out a second one tells."""
    told = select(OUTBOX).where(OUTBOX.c.about == about).with_for_update()
    for event in connection.execute(told).all():
        if event.status == "waiting":
            connection.execute(update(OUTBOX).where(OUTBOX.c.id == event.id).values(status="withdrawn"))
        elif event.status in {"sending", "sent"}:
            put(connection, "case.undone", about, dict(event.payload), at, at)


def take(connection: Connection, at: float, limit: int = 20) -> list[OutboxEvent]:
    """Events that are due, earliest first, now in hand: nobody else gets them for HELD_SECONDS."""
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
    _set(connection, event, status="sent", error="")


def refused(connection: Connection, event: OutboxEvent, error: str, at: float) -> bool:
    """Plan the next try; after the last one the event has failed, and True says so."""
    over = event.attempts > len(PAUSES)
    pause = 0.0 if over else PAUSES[event.attempts - 1]
    _set(connection, event, status="failed" if over else "sending", error=error[:500], send_at=at + pause)
    return over


def failed(connection: Connection) -> int:
    """How many events nobody took."""
    query = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.status == "failed")
    return int(connection.execute(query).scalar_one())


def _set(connection: Connection, event: OutboxEvent, **values: Any) -> None:
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == event.id).values(values))
