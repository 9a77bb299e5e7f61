"""Who was on duty in each quarter hour."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006_0029"
down_revision: str | None = "0006_0028"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "duty",
        sa.Column("quarter", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("quarter", "account", name="pk_duty"),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name="fk_duty_account"),
    )


def downgrade() -> None:
    op.drop_table("duty")
