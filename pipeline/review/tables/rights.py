"""Tables of what people ask of us and what the law does: appeals, reports, legal holds, erasures."""

from sqlalchemy import Column, Double, ForeignKey, Index, String, Table, Text

from pipeline.review.tables.core import METADATA

APPEALS = Table(
    "appeals",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    # One appeal against a decision, for good.
    Column("decision", ForeignKey("decisions.id"), nullable=False, unique=True),
    Column("appellant", String, nullable=False),
    Column("statement", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    # The decision that settled it; while there is none, or it was taken back, the appeal is open.
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
    # Empty: not told.
    Column("reporter", String, nullable=False, index=True),
    Column("label", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    # waiting, kept, gone; shared: of a case that an earlier report has opened.
    Column("audio", String, nullable=False),
    Index(None, "audio", "created_at"),
)

VOICES = Table(
    # Who is heard in the clip of a whole room, so that whoever is erased can be found in it.
    "voices",
    METADATA,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("speaker", String, primary_key=True, index=True),
)

HOLDS = Table(
    "holds",
    METADATA,
    Column("id", String, primary_key=True),
    # case, speaker, room
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
    # As long as speech from before may still arrive, or is on hold; after that nothing tells of the speaker.
    Column("speaker", String, primary_key=True),
    Column("asked_by", String, nullable=False),
    Column("asked_at", Double, nullable=False),
)
