"""Policies in the store: drafts, published versions, shadow policies, backtests, and what workers run."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    create_versions()
    create_drafts()
    create_shadows()
    create_releases()
    create_workers()
    create_backtests()
    keep_versions()


def create_versions() -> None:
    op.create_table(
        "policy_versions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("approver", sa.String(), nullable=False),
        sa.Column("published_at", sa.Double(), nullable=False),
        sa.Column("back_to", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_policy_versions")),
    )


def create_drafts() -> None:
    op.create_table(
        "policy_drafts",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("edited_at", sa.Double(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=True),
        sa.Column("asked_at", sa.Double(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_policy_drafts")),
    )
    op.create_index(op.f("ix_policy_drafts_state_edited_at"), "policy_drafts", ["state", "edited_at"])


def create_shadows() -> None:
    op.create_table(
        "policy_shadows",
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_policy_shadows")),
    )


def create_releases() -> None:
    op.create_table(
        "policy_releases",
        sa.Column("edition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("shadows", sa.JSON(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("edition", name=op.f("pk_policy_releases")),
    )


def create_workers() -> None:
    op.create_table(
        "policy_workers",
        sa.Column("worker", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_policy_workers")),
    )


def create_backtests() -> None:
    op.create_table(
        "policy_backtests",
        sa.Column("draft", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("against", sa.Integer(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.Column("beat_at", sa.Double(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["draft"], ["policy_drafts.number"], name=op.f("fk_policy_backtests_draft"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("draft", name=op.f("pk_policy_backtests")),
    )


def keep_versions() -> None:
    """Let the database refuse a change of a published version, and its deletion."""
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER policy_versions_no_{action.lower()} BEFORE {action} ON policy_versions "
                "BEGIN SELECT RAISE(ABORT, 'a published policy is never changed'); END"
            )
        op.execute(  # INSERT OR REPLACE runs no trigger of DELETE
            "CREATE TRIGGER policy_versions_no_replace BEFORE INSERT ON policy_versions "
            "WHEN EXISTS (SELECT 1 FROM policy_versions WHERE number = NEW.number) "
            "BEGIN SELECT RAISE(ABORT, 'a published policy is never changed'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION policy_versions_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'a published policy is never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER policy_versions_no_change BEFORE UPDATE OR DELETE ON policy_versions FOR EACH ROW "
        "EXECUTE FUNCTION policy_versions_guard()"
    )
    op.execute(
        "CREATE TRIGGER policy_versions_no_truncate BEFORE TRUNCATE ON policy_versions "
        "FOR EACH STATEMENT EXECUTE FUNCTION policy_versions_guard()"
    )
