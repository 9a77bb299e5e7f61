"""Duties of the security assessment: confirmations, ledger, register, triggers, hazards, answers, reports, drills."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    create_reports_of_apps()
    create_records_of_people()
    create_drills()
    keep_final_reports()


def create_reports_of_apps() -> None:
    op.create_table(
        "actions",
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["decision"], ["decisions.id"], name=op.f("fk_actions_decision"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("decision", name=op.f("pk_actions")),
    )
    op.create_index(op.f("ix_actions_at"), "actions", ["at"])
    op.create_table(
        "room_hours",
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("room_type", sa.String(), nullable=False),
        sa.Column("rooms", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "room_type", name=op.f("pk_room_hours")),
    )


def create_records_of_people() -> None:
    op.create_table(
        "register",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_register")),
    )
    op.create_index(op.f("ix_register_kind_opened_at"), "register", ["kind", "opened_at"])
    op.create_table(
        "triggers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("clause", sa.String(), nullable=False),
        sa.Column("signal", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("found_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggers")),
    )
    op.create_index(op.f("ix_triggers_found_at"), "triggers", ["found_at"])
    op.create_table(
        "hazards",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("found_at", sa.Double(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("due", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hazards")),
    )
    op.create_index(op.f("ix_hazards_state_found_at"), "hazards", ["state", "found_at"])
    op.create_table(
        "hazard_steps",
        sa.Column("hazard", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["hazard"], ["hazards.id"], name=op.f("fk_hazard_steps_hazard")),
        sa.PrimaryKeyConstraint("hazard", "number", name=op.f("pk_hazard_steps")),
    )
    op.create_table(
        "answers",
        sa.Column("assessment", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("assessment", "field", "number", name=op.f("pk_answers")),
    )
    op.create_table(
        "assessments",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("finished_by", sa.String(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
    )


def create_drills() -> None:
    op.create_table(
        "drills",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("started_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drills")),
    )
    op.create_table(
        "drill_lines",
        sa.Column("drill", sa.String(), nullable=False),
        sa.Column("room", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("spoken_at", sa.Double(), nullable=False),
        sa.Column("suggestion", sa.String(), nullable=True),
        sa.Column("flagged", sa.JSON(), nullable=True),
        sa.Column("heard", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["drill"], ["drills.id"], name=op.f("fk_drill_lines_drill")),
        sa.PrimaryKeyConstraint("drill", "room", name=op.f("pk_drill_lines")),
    )


def keep_final_reports() -> None:
    """Let the database refuse a change of a final report, and its deletion."""
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER assessments_no_{action.lower()} BEFORE {action} ON assessments "
                "WHEN OLD.state = 'final' BEGIN SELECT RAISE(ABORT, 'a final report is never changed'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION assessments_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'a final report is never changed'; END $$"
    )
    op.execute(
        "CREATE TRIGGER assessments_no_change BEFORE UPDATE OR DELETE ON assessments FOR EACH ROW "
        "WHEN (OLD.state = 'final') EXECUTE FUNCTION assessments_guard()"
    )
    op.execute(
        "CREATE TRIGGER assessments_no_truncate BEFORE TRUNCATE ON assessments "
        "FOR EACH STATEMENT EXECUTE FUNCTION assessments_guard()"
    )
