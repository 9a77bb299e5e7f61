"""Tables of users' rights and legal duties: appeals, reports, legal holds, erasures."""

from sqlalchemy import Column, Double, ForeignKey, Index, String, Table, Text

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
