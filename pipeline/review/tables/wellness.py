"""Tables of wellness: listening times and breaks of each account."""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, String, Table, text

from pipeline.review.tables.core import METADATA

RUNNING = text("ended_at IS NULL")
"""Condition of the index of breaks that have not ended."""

LISTENED = Table(
    "listened",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Index(None, "account", "at"),
)

BREAKS = Table(
    "breaks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=True),
    # Id of the lease that waits during the break, and the seconds that it had left.
    Column("lease", String, nullable=True),
    Column("left_seconds", Double, nullable=False),
    Index(None, "account", "started_at"),
    # One person has one break at a time.
    Index("uq_breaks_running", "account", unique=True, sqlite_where=RUNNING, postgresql_where=RUNNING),
)
