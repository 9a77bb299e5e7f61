"""Files that belong to a report."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006_0031"
down_revision: str | None = "0006_0030"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "attachments",
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("assessment", "name", name="pk_attachments"),
    )


def downgrade() -> None:
    op.drop_table("attachments")
