"""Phrases that open no cases in a room for a while."""

from sqlalchemy import Column, Double, Index, String, Table

from pipeline.review.tables.core import METADATA

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
