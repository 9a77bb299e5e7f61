"""Quality control and wellness: checks, golden cases, listening, breaks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

WAITING = sa.text("NOT done")


def upgrade() -> None:
    create_checks()
    create_wellness()


def create_checks() -> None:
    op.create_table(
        "checks",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("original", sa.String(), nullable=True),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("drawn_at", sa.Double(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_checks_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_checks")),
    )
    op.create_index(op.f("ix_checks_original"), "checks", ["original"])
    op.create_index(op.f("ix_checks_kind_drawn_at"), "checks", ["kind", "drawn_at"])
    op.create_index("ix_checks_waiting", "checks", ["case_id"], sqlite_where=WAITING, postgresql_where=WAITING)
    op.create_table(
        "golden",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_golden_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_golden")),
    )


def create_wellness() -> None:
    op.create_table(
        "listened",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_listened_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listened")),
    )
    op.create_index(op.f("ix_decisions_moderator_at"), "decisions", ["moderator", "at"])
    op.create_index(op.f("ix_listened_account_at"), "listened", ["account", "at"])
    op.create_table(
        "breaks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("lease", sa.String(), nullable=True),
        sa.Column("left_seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_breaks_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaks")),
    )
    op.create_index(op.f("ix_breaks_account_started_at"), "breaks", ["account", "started_at"])
