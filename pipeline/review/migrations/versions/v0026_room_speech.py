"""The speech of each room by language."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "room_speech",
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room", "day", "language", "state", name=op.f("pk_room_speech")),
    )
    op.create_index(op.f("ix_room_speech_day"), "room_speech", ["day"])
    op.create_index(op.f("ix_room_speech_state_day"), "room_speech", ["state", "day"])
