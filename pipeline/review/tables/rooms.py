"""Tables of the speech in each room."""

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table

from pipeline.review.tables.core import METADATA

ROOM_SPEECH = Table(
    # The speech of a room on a day, by language. Kept for some days; it names no speaker.
    "room_speech",
    METADATA,
    Column("room", String, primary_key=True),
    # Days since 1970 UTC, of the start of the speech.
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("language", String, primary_key=True),
    # "monitored", or "skipped": not transcribed, because the settings do not name the language.
    Column("state", String, primary_key=True),
    # 16 kHz samples
    Column("samples", BigInteger, nullable=False),
    Index(None, "day"),
    Index(None, "state", "day"),
)
