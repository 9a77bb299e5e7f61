"""Tables of people and their work: ways to sign in, skills, assignments, presence, duty, notes, breaks.

INVITATIONS, RECOVERY_CODES and API_TOKENS have only hashes of their secrets.
"""

from sqlalchemy import JSON, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text, text

from pipeline.review.tables.core import METADATA

UNREAD = text("NOT read")
"""Condition of the index of mentions that the person has not read."""

ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    # NULL: the assignment was taken back. The row stays, so that open pages hear of it.
    Column("account", ForeignKey("accounts.name"), nullable=True, index=True),
    Column("by", String, nullable=False),
    Column("at", Double, nullable=False),
    # Until then the case is offered to this account only, while the person is here.
    Column("until", Double, nullable=False),
    Column("reason", String, nullable=False),
    # Id of the move, so that one undo takes all of it back.
    Column("move", String, nullable=False, index=True),
    # Who had the case before the move; NULL: nobody.
    Column("before", String, nullable=True),
    Index(None, "at"),
)

SKILLS = Table(
    # The cases that an account may get. An account without a row may get all.
    "skills",
    METADATA,
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    # Empty lists: all languages, all labels.
    Column("languages", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    # The highest severity.
    Column("severity", Integer, nullable=False),
    Column("escalated", Boolean, nullable=False),
)

PRESENCE = Table(
    # The accounts with an open page of the queue, and when a console last saw it open.
    "presence",
    METADATA,
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    Column("seen_at", Double, nullable=False),
)

DUTY = Table(
    # The accounts that were here in a quarter hour, with the first role that they had in it.
    "duty",
    METADATA,
    # Quarter hours since 1970 UTC.
    Column("quarter", Integer, primary_key=True, autoincrement=False),
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    Column("role", String, nullable=False),
)

VIEWERS = Table(
    # The cases that open pages show. No foreign key to the case, so that a page locks no case again and again.
    "viewers",
    METADATA,
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    # A random id of the open page.
    Column("page", String, primary_key=True),
    Column("case", String, nullable=False),
    # Until then the page is open, unless it says another word.
    Column("until", Double, nullable=False),
)

NOTES = Table(
    "notes",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("author", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index(None, "case_id", "at"),
)

MENTIONS = Table(
    # The people that a note names.
    "mentions",
    METADATA,
    Column("note", ForeignKey("notes.id", ondelete="CASCADE"), primary_key=True),
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("read", Boolean, nullable=False),
    Index("ix_mentions_unread", "account", "at", sqlite_where=UNREAD, postgresql_where=UNREAD),
)


INVITATIONS = Table(
    "invitations",
    METADATA,
    # One for each account: a new one replaces it.
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    Column("hash", String, nullable=False, unique=True),
    Column("made_by", String, nullable=False),
    Column("expires_at", Double, nullable=False),
)

RECOVERY_CODES = Table(
    "recovery_codes",
    METADATA,
    # A code that was used has no row any more.
    Column("account", ForeignKey("accounts.name"), primary_key=True),
    Column("hash", String, primary_key=True),
)

API_TOKENS = Table(
    "api_tokens",
    METADATA,
    # The first characters of the token, by which people recognise it.
    Column("id", String, primary_key=True),
    Column("hash", String, nullable=False),
    Column("name", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("made_by", String, nullable=False),
    Column("created_at", Double, nullable=False),
    # NULL: no end, never used, not revoked.
    Column("expires_at", Double, nullable=True),
    Column("used_at", Double, nullable=True),
    Column("revoked_at", Double, nullable=True),
)


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
