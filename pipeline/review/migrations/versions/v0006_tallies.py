"""Hourly tallies of all speech, and the fields of flags that risk-control figures need."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

DIMENSIONS = ("bucket", "room_type", "language", "label", "policy", "model")


def upgrade() -> None:
    op.add_column("cases", sa.Column("drill", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("flags", sa.Column("listeners", sa.Integer(), nullable=True))
    op.add_column("flags", sa.Column("identity_verified", sa.Boolean(), nullable=True))
    op.add_column("flags", sa.Column("drill", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("flags", sa.Column("stored_at", sa.Double(), nullable=True))
    op.create_index(op.f("ix_flags_stored_at"), "flags", ["stored_at"])
    create_tallies()


def create_tallies() -> None:
    op.create_table(
        "tallies",
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in DIMENSIONS),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("measure", "hour", *DIMENSIONS, name=op.f("pk_tallies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "counted",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_counted")),
    )
    op.create_index(op.f("ix_counted_at"), "counted", ["at"])
    op.create_table(
        "room_types",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_room_types")),
    )
