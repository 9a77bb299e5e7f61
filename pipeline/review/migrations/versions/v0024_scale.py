"""Indexes of the open cases for the figures of the queue, and of decided cases for searches by verdict."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OPEN = sa.text("status <> 'decided'")
DECIDED = sa.text("verdict IS NOT NULL")
GROUPED = ["severity", "language", "label", "status", "due_at", "created_at"]


def upgrade() -> None:
    op.create_index("ix_cases_queue_groups", "cases", GROUPED, sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index(
        "ix_cases_verdict", "cases", ["verdict", "created_at", "id"], sqlite_where=DECIDED, postgresql_where=DECIDED
    )
