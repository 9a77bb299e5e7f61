"""The basis of a final report."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006_0028"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "frozen_records",
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("assessment", "name", name="pk_frozen_records"),
    )


def downgrade() -> None:
    op.drop_table("frozen_records")
