"""The actions that Voxwarden itself carried out in rooms, or gave up."""

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, String, Table, Text

from pipeline.review.tables.core import METADATA

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
