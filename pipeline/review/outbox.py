"""Events for the app, stored in the transaction that causes them and sent later, at least once, in no order.

An event is `waiting`, then `sending` (somebody has it in hand), then `sent`; or `withdrawn` before it was sent, or
`failed` when nobody took it for long. Each function runs on a connection whose transaction the caller opened.
"""

import uuid
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pipeline.messages import NAMESPACE
from pipeline.review.schema import OUTBOX


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
