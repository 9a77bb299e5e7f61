"""The bank: recordings that must not be played."""

from sqlalchemy import Column, Double, LargeBinary, String, Table, Text

from pipeline.review.tables.core import METADATA

BANNED_RECORDINGS = Table(
    "banned_recordings",
    METADATA,
    # The hash of its landmarks, 16 hexadecimal digits.
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # Empty: the policy names the label.
    Column("label", String, nullable=False),
    Column("added_by", String, nullable=False),
    Column("added_at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    # The last column, so that SQLite reads none of its pages for the others.
    Column("landmarks", LargeBinary, nullable=False),
)
