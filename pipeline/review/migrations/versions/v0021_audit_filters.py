"""The audit log: indexes for the filters by action and by time."""

from collections.abc import Sequence

from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(op.f("ix_audit_action_seq"), "audit", ["action", "seq"])
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
