"""The queue by rank, then by deadline: child safety first, then severity."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006_0030"
down_revision: str | None = "0006_0029"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

FILTERS = ("language", "suggestion", "policy", "status", "severity")
OPEN = sa.text("status <> 'decided'")


def upgrade() -> None:
    op.add_column("cases", sa.Column("rank", sa.Integer(), nullable=False, server_default=sa.text("0")))
    # Child safety keeps the default.
    op.execute("UPDATE cases SET rank = 4 - severity WHERE label <> 'minor_safety' OR severity = 0")
    order = ("rank", "due_at", "id")
    for name, columns in (
        ("ix_cases_queue_all", (*order, "label", *FILTERS)),
        ("ix_cases_queue_of_label", ("label", *order, *FILTERS)),
        ("ix_cases_queue_room", ("room", *order)),
        ("ix_cases_queue_speaker", ("speaker", *order)),
    ):
        op.drop_index(name, "cases")
        op.create_index(name, "cases", list(columns), sqlite_where=OPEN, postgresql_where=OPEN)
