"""What shadow policies have suggested, by judge."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "policy_shadow_counts",
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("judged", sa.Integer(), nullable=False),
        sa.Column("flagged", sa.Integer(), nullable=False),
        sa.Column("differ", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mark"], ["policy_shadows.mark"], name=op.f("fk_policy_shadow_counts_mark"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("mark", "worker", "since", name=op.f("pk_policy_shadow_counts")),
    )
