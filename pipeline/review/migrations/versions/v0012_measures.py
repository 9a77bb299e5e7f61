"""Durations of actions, strikes and notices to speakers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("duration_seconds", sa.Double(), nullable=True))
    op.add_column("decisions", sa.Column("strikes", sa.Integer(), nullable=True))
    op.add_column("decisions", sa.Column("notice", sa.Text(), server_default=sa.text("''"), nullable=False))
