"""Tables of quality control: checks and golden cases."""

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, select, text

from pipeline.review.tables.core import METADATA

WAITING = text("NOT done")
"""Condition of the index of checks that are not decided yet."""

CHECKS = Table(
    "checks",
    METADATA,
    # The case that is the check: passed speech drawn for audit, or the copy of a decided case.
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String, nullable=False),
    # Id of the case that the check copies. Retention may delete that case first, so this is no foreign key.
    Column("original", String, nullable=True, index=True),
    Column("probability", Double, nullable=False),
    Column("drawn_at", Double, nullable=False),
    Column("done", Boolean, nullable=False),
    Index(None, "kind", "drawn_at"),
    Index("ix_checks_waiting", "case_id", sqlite_where=WAITING, postgresql_where=WAITING),
)

GOLDEN = Table(
    "golden",
    METADATA,
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("verdict", String, nullable=False),
    Column("account", String, nullable=False),
    Column("at", Double, nullable=False),
)

DRAW_KEY = Table(
    # One row: the secret key that decides which decisions are checked. A migration made it.
    "draw_key",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
)

COPIES = select(CHECKS.c.case_id).where(CHECKS.c.original.is_not(None))
"""Query for the ids of cases that copy another case. They give no strike, no history and no event."""
