"""The app's ledger of room hours: the time for which its rooms were open, with or without our listener.

Only the app knows it. The share of room time that was moderated (I-01) needs it.
"""

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection

from pipeline.review.database import upsert
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.tables.assessment_tables import ROOM_HOURS


class RoomHour(Struct, frozen=True, kw_only=True):
    """The rooms of one type that were open in one hour."""

    hour: int
    """Hours since 1970 UTC."""
    room_type: str
    rooms: int
    """Number of rooms that were open at any moment of the hour."""
    seconds: float
    """The sum of the seconds for which each of them was open, at most 3600 for each room."""


def fault(line: RoomHour) -> str | None:
    """Tell what is wrong with a line, in words; None if nothing is."""
    if line.seconds > line.rooms * HOUR:
        return f"{line.seconds:g} s are more than an hour for each of the rooms ({line.rooms})"
    return None


def store(connection: Connection, lines: Sequence[RoomHour], at: float) -> None:
    """Store lines of the ledger at `at` (UTC seconds). A line replaces an earlier line of its hour and type of room."""
    insert = upsert(connection, ROOM_HOURS)
    values = {name: insert.excluded[name] for name in ("rooms", "seconds", "received_at")}
    rows = [{name: getattr(line, name) for name in line.__struct_fields__} | {"received_at": at} for line in lines]
    # Of lines with equal keys the last one counts, as if it had come in a later request.
    newest = {(row["hour"], row["room_type"]): row for row in rows}
    if rows:
        statement = insert.on_conflict_do_update(index_elements=["hour", "room_type"], set_=values)
        # In the order of the keys, so that two requests at once cannot wait for each other's rows (deadlock).
        connection.execute(statement, [newest[key] for key in sorted(newest)])
