"""What is counted of rooms: their speech by day and language, and the hours for which they were open.

The counts of speech show rooms in other languages. They are kept for some days only, and name no speaker.
`pipeline/review/delivery/speech_tallies.py` decides what counts.

The hours come from the app's ledger: the time for which its rooms were open, with or without our listener. Only the app
knows it. The share of room time that was moderated (I-01) needs it.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Float, delete, func, literal, select

from pipeline.review.database import upsert
from pipeline.review.tables.assessment_tables import ROOM_HOURS, ROOM_SPEECH

DAYS = 7
"""Days for which the shares of a room are shown, today included."""
DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600
MOST = 20
"""The most rooms of a list."""

Spoken = Literal["monitored", "skipped"]


class RoomCell(NamedTuple):
    """The key of a row of ROOM_SPEECH."""

    room: str
    day: int
    language: str
    state: Spoken


class LanguageShare(Struct, frozen=True):
    """The speech of a room in one language, in 16 kHz samples."""

    language: str
    monitored: int
    skipped: int


class OtherLanguageRoom(Struct, frozen=True):
    """A room with its speech in other languages and in all languages, in 16 kHz samples."""

    room: str
    skipped: int
    whole: int


def add_room_speech(connection: Connection, changes: Iterable[tuple[RoomCell, int]]) -> None:
    """Add samples to the cells, in the order of the keys, so that two writers never wait for each other."""
    rows = [cell._asdict() | {"samples": samples} for cell, samples in sorted(changes)]
    if rows:
        insert = upsert(connection, ROOM_SPEECH)
        samples = ROOM_SPEECH.c.samples + insert.excluded.samples
        key = list(ROOM_SPEECH.primary_key)
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_={"samples": samples}), rows)


def forget_rooms(connection: Connection, before: float) -> None:
    """Delete the counts of the days that ended before `before` (UTC seconds; minus infinity deletes none)."""
    # Float, because minus infinity is no whole number.
    last = literal(before / DAY_SECONDS - 1, Float)
    connection.execute(delete(ROOM_SPEECH).where(ROOM_SPEECH.c.day <= last))


def of_room(connection: Connection, room: str, at: float) -> list[LanguageShare]:
    """Return the languages of a room in the last DAYS days before `at` (UTC seconds), the most spoken one first."""
    total = func.sum(ROOM_SPEECH.c.samples)
    heard, skipped = (
        func.coalesce(total.filter(ROOM_SPEECH.c.state == state), 0) for state in ("monitored", "skipped")
    )
    query = select(ROOM_SPEECH.c.language, heard, skipped).where(ROOM_SPEECH.c.room == room, _recent(at))
    query = query.group_by(ROOM_SPEECH.c.language).having(total > 0).order_by(total.desc(), ROOM_SPEECH.c.language)
    return [LanguageShare(language, int(one), int(two)) for language, one, two in connection.execute(query)]


def most_in_other_languages(connection: Connection, at: float) -> list[OtherLanguageRoom]:
    """Return the rooms with the most speech in other languages, in the last DAYS days before `at` (UTC seconds)."""
    total = func.sum(ROOM_SPEECH.c.samples)
    query = select(ROOM_SPEECH.c.room, total).where(ROOM_SPEECH.c.state == "skipped", _recent(at))
    query = query.group_by(ROOM_SPEECH.c.room).having(total > 0).order_by(total.desc(), ROOM_SPEECH.c.room).limit(MOST)
    skipped = {room: int(samples) for room, samples in connection.execute(query)}
    whole = _whole(connection, [*skipped], at)
    return [OtherLanguageRoom(room, samples, whole[room]) for room, samples in skipped.items()]


def _whole(connection: Connection, rooms: Sequence[str], at: float) -> dict[str, int]:
    query = select(ROOM_SPEECH.c.room, func.sum(ROOM_SPEECH.c.samples)).group_by(ROOM_SPEECH.c.room)
    found = connection.execute(query.where(ROOM_SPEECH.c.room.in_(rooms), _recent(at)))
    return {room: int(samples) for room, samples in found}


def _recent(at: float) -> ColumnElement[bool]:
    return ROOM_SPEECH.c.day > int(at) // DAY_SECONDS - DAYS


class RoomHour(Struct, frozen=True, kw_only=True):
    """The rooms of one type that were open in one hour."""

    hour: int
    """Hours since 1970 UTC."""
    room_type: str
    rooms: int
    """Number of rooms that were open at any moment of the hour."""
    seconds: float
    """The sum of the seconds for which each of them was open, at most 3600 for each room."""


def ledger_fault(line: RoomHour) -> str | None:
    """Tell what is wrong with a line, in words; None if nothing is."""
    if line.seconds > line.rooms * HOUR_SECONDS:
        return f"{line.seconds:g} s are more than an hour for each of the rooms ({line.rooms})"
    return None


def store_ledger(connection: Connection, lines: Sequence[RoomHour], at: float) -> None:
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
