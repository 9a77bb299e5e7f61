"""Lanes of the outbox: events of one room are sent in order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

UNSENT = sa.text("status IN ('waiting', 'sending')")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("lane", sa.String(), server_default=sa.text("''"), nullable=False))
    op.add_column("outbox", sa.Column("due_at", sa.Double(), server_default=sa.text("0"), nullable=False))
    outbox = sa.table(
        "outbox", sa.column("lane"), sa.column("due_at"), sa.column("send_at"), sa.column("payload", sa.JSON)
    )
    room = sa.func.coalesce(outbox.c.payload["room"].as_string(), "")
    op.execute(sa.update(outbox).values(lane=room, due_at=outbox.c.send_at))
    op.create_index(
        "ix_outbox_unsent", "outbox", ["lane", "due_at", "id"], sqlite_where=UNSENT, postgresql_where=UNSENT
    )
    op.create_index(op.f("ix_outbox_kind_lane_due_at"), "outbox", ["kind", "lane", "due_at"])
    op.drop_index(op.f("ix_outbox_status_send_at"), "outbox")
