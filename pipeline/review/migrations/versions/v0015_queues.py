"""The distribution of work: assignments, skills, presence, notes with mentions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

UNREAD = sa.text("NOT read")


def upgrade() -> None:
    create_assignments()
    create_people()
    create_notes()


def create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("move", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_assignments_case_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_assignments_account")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_assignments")),
    )
    for column in ("account", "at", "move"):
        op.create_index(op.f(f"ix_assignments_{column}"), "assignments", [column])


def create_people() -> None:
    op.create_table(
        "skills",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("escalated", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_skills_account")),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_skills")),
    )
    op.create_table(
        "presence",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_presence_account")),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_presence")),
    )


def create_notes() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_notes_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index(op.f("ix_notes_case_id_at"), "notes", ["case_id", "at"])
    op.create_table(
        "mentions",
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["note"], ["notes.id"], name=op.f("fk_mentions_note"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_mentions_account")),
        sa.PrimaryKeyConstraint("note", "account", name=op.f("pk_mentions")),
    )
    op.create_index("ix_mentions_unread", "mentions", ["account", "at"], sqlite_where=UNREAD, postgresql_where=UNREAD)
