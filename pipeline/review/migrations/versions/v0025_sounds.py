"""What led to a flag: words, or a sound."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    for table in ("cases", "flags"):
        op.add_column(table, sa.Column("source", sa.String(), nullable=False, server_default=sa.text("'words'")))
    op.add_column("flags", sa.Column("sound", sa.JSON(), nullable=True))
