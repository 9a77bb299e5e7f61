"""Add the column `linked` to the flags.

It is true for a flag of speech that was decided before (`pipeline/review/cases/repeated_speech.py`).
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("flags", sa.Column("linked", sa.Boolean(), server_default=sa.false(), nullable=False))
