"""Tables of wellness: listening times and breaks of each account."""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, String, Table

from pipeline.review.tables.core import METADATA

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
)
