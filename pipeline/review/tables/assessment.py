"""Tables of the risk-control figures: counts of all speech, which contain no room and no person."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, String, Table

from pipeline.review.tables.core import METADATA

TALLIES = Table(
    "tallies",
    METADATA,
    # See `pipeline/review/delivery/tallies.py`. It is the first column of the key, because a figure reads few measures.
    Column("measure", String, primary_key=True),
    # Hours since 1970 UTC, of the start of the speech.
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("bucket", String, primary_key=True),
    # Empty: the measure has no such dimension.
    Column("room_type", String, primary_key=True),
    Column("language", String, primary_key=True),
    Column("label", String, primary_key=True),
    Column("policy", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
    # 16 kHz samples. Integers, so that the order of the additions does not change a sum.
    Column("samples", BigInteger, nullable=False),
    # The rows lie in the order of the key, so that a sum over many hours reads one place of the file.
    sqlite_with_rowid=False,
)

COUNTED = Table(
    # The ids that TALLIES contains, so that a message that is delivered again changes nothing. Kept for some days.
    "counted",
    METADATA,
    # The first 16 bytes of a hash.
    Column("key", LargeBinary, primary_key=True),
    # The state that was counted; an utterance moves from "segmented" or "skipped" to "monitored".
    Column("state", String, nullable=False),
    # Why there is no flag, and after a space the language, if that is why. Of a withheld or released flag: how it was
    # counted.
    Column("reason", String, nullable=False),
    Column("at", Double, nullable=False),
    Index(None, "at"),
)

ROOM_TYPES = Table(
    # The types of rooms that apps have sent.
    "room_types",
    METADATA,
    Column("name", String, primary_key=True),
    Column("first_seen_at", Double, nullable=False),
)
