"""Tables of ways in: invitations, recovery codes, and tokens of programs. Each has only hashes of its secrets."""

from sqlalchemy import JSON, Column, Double, ForeignKey, String, Table

from pipeline.review.tables.core import METADATA

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
