"""Actions that Voxwarden carries out in rooms itself."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "enforcements",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("flag", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=True),
        sa.Column("permission", sa.JSON(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision"], ["decisions.id"], name=op.f("fk_enforcements_decision"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["flag"], ["flags.id"], name=op.f("fk_enforcements_flag"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enforcements")),
    )
    op.create_index(op.f("ix_enforcements_decision"), "enforcements", ["decision"])
    op.create_index(op.f("ix_enforcements_flag"), "enforcements", ["flag"])
    op.create_index(op.f("ix_enforcements_state_until"), "enforcements", ["state", "until"])
