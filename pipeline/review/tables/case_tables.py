"""Tables about cases, beside the main ones: appeals, reports, holds, checks, actions, muted phrases, search."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    TypeDecorator,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeEngine

from pipeline.review.tables.core import METADATA

APPEALS = Table(
    "appeals",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    # Unique: there is never a second appeal against one decision.
    Column("decision", ForeignKey("decisions.id"), nullable=False, unique=True),
    Column("appellant", String, nullable=False),
    Column("statement", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    # The decision that settled the appeal. The appeal is open while there is none, or while it is undone.
    Column("resolution", ForeignKey("decisions.id"), nullable=True, index=True),
    Index(None, "created_at"),
)

REPORTS = Table(
    "reports",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("room", String, nullable=False),
    # Empty: the whole room.
    Column("speaker", String, nullable=False),
    # Empty: the app did not name the reporter.
    Column("reporter", String, nullable=False, index=True),
    Column("label", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    # "waiting", "kept" or "gone"; "shared": the clip of an earlier report in the same case serves this one, too.
    Column("audio", String, nullable=False),
    Index(None, "audio", "created_at"),
)

VOICES = Table(
    # The speakers in the clip of a whole room, so that an erasure finds the clip.
    "voices",
    METADATA,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("speaker", String, primary_key=True, index=True),
)

AWAITED_CLIPS = Table(
    # Cases whose clip the store of the clips did not take yet (`pipeline/review/cases/awaited_clips.py`).
    "awaited_clips",
    METADATA,
    # CASCADE: a process of the version before deletes cases, and does not know this table.
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    # When the next try is due. NULL: the audio was gone before the store took the clip.
    Column("due_at", Double, nullable=True, index=True),
)

HOLDS = Table(
    "holds",
    METADATA,
    Column("id", String, primary_key=True),
    # "case", "speaker" or "room"
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", String, nullable=False),
    Column("placed_at", Double, nullable=False),
    Column("released_by", String, nullable=True),
    Column("released_at", Double, nullable=True),
    Index(None, "kind", "subject"),
)

ERASURES = Table(
    "erasures",
    METADATA,
    # The row stays while earlier speech may still arrive or is on hold. After that, no trace of the speaker remains.
    Column("speaker", String, primary_key=True),
    Column("asked_by", String, nullable=False),
    Column("asked_at", Double, nullable=False),
)


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


LIVEKIT_BEATS = Table(
    # The last beat of each process of `livekit.members`.
    "livekit_beats",
    METADATA,
    Column("member", String, primary_key=True),
    Column("beat", BigInteger, nullable=False),
)

ENFORCEMENTS = Table(
    "enforcements",
    METADATA,
    # Id of the decision, or of the flag that a rule acted on.
    Column("id", String, primary_key=True),
    # One of the two is set. Names of room and speaker are only in their case.
    Column("decision", ForeignKey("decisions.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("flag", ForeignKey("flags.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("action", String, nullable=False),
    # "planned" (only a mute), then "done" or "failed". A mute that has ended is "lifted".
    Column("state", String, nullable=False),
    Column("at", Double, nullable=False),
    # The end of a mute. NULL: the action has no end.
    Column("until", Double, nullable=True),
    # The speaker's permission before a mute, as LiveKit's JSON. NULL: nothing to give back.
    Column("permission", JSON(none_as_null=True), nullable=True),
    Column("detail", Text, nullable=False),
    Index(None, "state", "until"),
)


MUTED_PHRASES = Table(
    "muted_phrases",
    METADATA,
    Column("id", String, primary_key=True),
    Column("room", String, nullable=False),
    Column("label", String, nullable=False),
    # As the lexicon spells it.
    Column("term", String, nullable=False),
    # The dismissed case that gave the reason. Retention may delete it, so this is no foreign key.
    Column("case_id", String, nullable=False, index=True),
    Column("asked_by", String, nullable=False),
    Column("asked_at", Double, nullable=False),
    # NULL: no lead has approved it.
    Column("approved_by", String, nullable=True),
    Column("approved_at", Double, nullable=True),
    # When the mute, or the wait for a lead, is over.
    Column("until", Double, nullable=False),
    # NULL: nobody ended it earlier.
    Column("ended_by", String, nullable=True),
    Index(None, "room", "until"),
    Index(None, "until"),
)


class GramColumn(TypeDecorator[Collection[str]]):
    """Grams (`search/case_words.py`): PostgreSQL keeps a tsvector, SQLite a text with spaces between them.

    A gram has only letters and digits, so quotes around it are enough.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> str:
        pattern = "'{}'" if dialect.name == "postgresql" else "{}"
        return " ".join(pattern.format(gram) for gram in value or ())


SAID = Table(
    # What was said in each case. Copies for checks have no row, so no search finds them.
    "said",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    # CASCADE: a process of the version before deletes cases, and does not know this table.
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False, unique=True),
    # That of the case, so that a search can stop before it joins the tables.
    Column("created_at", Double, nullable=False),
    # The normalised words of all its flags.
    Column("text", Text, nullable=False),
    # On SQLite, triggers keep the full-text index `said_index` (FTS5) of this column.
    Column("grams", GramColumn, nullable=False),
    Index(None, "created_at"),
)

VIEWS = Table(
    # A saved view is a filter of the queue or a search, under a name.
    "views",
    METADATA,
    Column("id", String, primary_key=True),
    Column("account", ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    # "search" or "queue"
    Column("page", String, nullable=False),
    # The query string of the page's URL.
    Column("query", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)
