"""The review store's tables. They change by migration only (`pipeline/review/migrations/`); a test compares the two.

Times are UTC seconds. Texts have no length: SQLite ignores it, and `pipeline/review/cases.py` refuses what is too long.
"""

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

CASES = Table(
    "cases",
    METADATA,
    Column("id", String, primary_key=True),
    Column("room", String, nullable=False),
    Column("speaker", String, nullable=False),
    Column("room_type", String, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    # Of the worst flag, so that a queue is drawn from this table alone.
    Column("label", String, nullable=False),
    Column("suggestion", String, nullable=False),
    Column("risk", Double, nullable=False),
    Column("language", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    # Newest first, page by page, with and without a status.
    Index(None, "created_at", "id"),
    Index(None, "status", "created_at", "id"),
    # A new flag looks for a case of the same speaker at that time.
    Index(None, "room", "speaker", "end"),
)

FLAGS = Table(
    "flags",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("room", String, nullable=False),
    Column("speaker", String, nullable=False),
    Column("room_type", String, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    Column("utterance", String, nullable=False),
    Column("transcript", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", String, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("suggestion", String, nullable=False),
    Column("risk", Double, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("flagged", JSON, nullable=False),
    Column("hits", JSON, nullable=False),
    Column("marks", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("policy", String, nullable=False),
    Column("model", String, nullable=False),
    Column("address", String, nullable=True),
)

EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("path", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("codec", String, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("timeline", JSON, nullable=False),
)

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("moderator", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("label", String, nullable=True),
    Column("note", Text, nullable=False),
    Column("at", Double, nullable=False),
)
