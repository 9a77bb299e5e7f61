"""An index of the open cases for the figures of the queue."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OPEN = sa.text("status <> 'decided'")
GROUPED = ("severity", "language", "label", "status", "due_at", "created_at")


def upgrade() -> None:
    op.create_index("ix_cases_queue_groups", "cases", GROUPED, sqlite_where=OPEN, postgresql_where=OPEN)
