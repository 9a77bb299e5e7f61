"""One break at a time for each person. Two requests at once could start two, and then no case opened any more."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

RUNNING = sa.text("ended_at IS NULL")


def upgrade() -> None:
    breaks = sa.table("breaks", sa.column("id"), sa.column("account"), sa.column("ended_at"))
    # The first one knows what was left of the lease.
    first = sa.select(sa.func.min(breaks.c.id)).where(breaks.c.ended_at.is_(None)).group_by(breaks.c.account)
    op.execute(sa.delete(breaks).where(breaks.c.ended_at.is_(None), breaks.c.id.not_in(first)))
    op.create_index(
        "uq_breaks_running", "breaks", ["account"], unique=True, sqlite_where=RUNNING, postgresql_where=RUNNING
    )
