"""Recordings that programs sent to the HTTP API: their progress, and their results for KEPT_SECONDS.

The process that works on a recording touches its row. A row that nobody touches belongs to a process that is gone.
Each function runs in a transaction that the caller opened. Times are UTC seconds.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, tuple_, update

from pipeline.base.errors import Missing, ReusedKey
from pipeline.review.database import put_new
from pipeline.review.delivery import event_outbox
from pipeline.review.delivery.events_for_apps import ENDED, RecordingEnded
from pipeline.review.tables.core import RECORDING_JOBS

KEPT_SECONDS = 3_600.0
"""Time for which a result is kept. A program asks for it within seconds."""

GONE_SECONDS = 60.0
"""Time after which a recording that nobody touched has failed."""

STOPPED = "The API stopped before the recording was done. Send it again."

T = RECORDING_JOBS.c
UNREAD = {"utterances", "unheard"}
"""Large columns, which the list leaves out."""


def put(connection: Connection, values: Mapping[str, Any]) -> str:
    """Store a new recording with the values of its row. Return its id, or that of the first one with the same key.

    Raises ReusedKey if that one came with another request.
    """
    forget_old(connection, values["created_at"])
    if put_new(connection, RECORDING_JOBS, values):
        return str(values["id"])
    query = select(T.id, T.digest).where(T.owner == values["owner"], T.key == values["key"])
    first = connection.execute(query).one()
    if first.digest != values["digest"]:
        raise ReusedKey("Idempotency-Key", "this key came with another request", "Use a new key for each recording.")
    return str(first.id)


def touch(connection: Connection, progress: Iterable[tuple[str, str, float]], at: float) -> None:
    """Say that recordings are in hand: the id, the status and the progress of each."""
    rows = [{"key_id": identity, "status": status, "progress": share} for identity, status, share in progress]
    if rows:
        changed = {"status": bindparam("status"), "progress": bindparam("progress"), "seen_at": at}
        open_rows = update(RECORDING_JOBS).where(T.id == bindparam("key_id"), T.ended_at.is_(None))
        connection.execute(open_rows.values(changed), rows)


def end(connection: Connection, identity: str, values: Mapping[str, Any], at: float, tell: bool) -> None:
    """Store the result of a recording, unless it was removed. `tell`: the app gets an event.

    A recording that failed gives up its key, so that its program can send it again.
    """
    freed = {"key": None} if values["status"] == "failed" else {}
    changed = update(RECORDING_JOBS).where(T.id == identity, T.ended_at.is_(None))
    row = connection.execute(changed.values({**values, **freed, "ended_at": at}).returning(RECORDING_JOBS)).first()
    if row and tell:
        payload = {name: getattr(row, name) for name in RecordingEnded.__struct_fields__}
        event_outbox.store_event(connection, ENDED, identity, payload, at, at)


def give_up(connection: Connection, at: float, tell: bool) -> None:
    """End the recordings of processes that are gone."""
    gone = select(T.id).where(T.ended_at.is_(None), T.seen_at < at - GONE_SECONDS)
    for identity in connection.scalars(gone.with_for_update(skip_locked=True)).all():
        end(connection, identity, {"status": "failed", "error": STOPPED}, at, tell)


def find(connection: Connection, owner: int, identity: str) -> Row[Any]:
    """Return a recording of this program. Raises Missing."""
    row = connection.execute(select(RECORDING_JOBS).where(T.id == identity, T.owner == owner)).first()
    # The same answer in both cases, so that a program cannot find out the ids of others.
    if row is None:
        raise Missing(f"There is no recording {identity}", "Results are kept for an hour.")
    return row


def page(connection: Connection, owner: int, after: str | None, limit: int) -> list[Row[Any]]:
    """Return recordings of this program without their results, newest first. Raises Missing if `after` is gone."""
    columns = [column for column in RECORDING_JOBS.columns if column.name not in UNREAD]
    query = select(*columns).where(T.owner == owner).order_by(T.created_at.desc(), T.id.desc()).limit(limit)
    if after:
        last = find(connection, owner, after)
        query = query.where(tuple_(T.created_at, T.id) < tuple_(last.created_at, last.id))
    return list(connection.execute(query))


def remove(connection: Connection, owner: int, identity: str) -> None:
    """Forget a recording of this program. Raises Missing."""
    find(connection, owner, identity)
    connection.execute(delete(RECORDING_JOBS).where(T.id == identity))


def forget_old(connection: Connection, at: float) -> None:
    """Forget the results whose time is over."""
    connection.execute(delete(RECORDING_JOBS).where(T.ended_at < at - KEPT_SECONDS))
