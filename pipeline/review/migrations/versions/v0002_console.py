"""The review console: order of the queue, accounts, sessions, leases, the audit log, the outbox."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.types import TypeEngine

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OPEN = sa.text("status <> 'decided'")
KEEP_SECONDS = 15_811_200
"""183 days in seconds. The database refuses to delete younger lines of the audit log."""


def upgrade() -> None:
    for change in (
        order_cases,
        extend_flags,
        extend_decisions,
        create_accounts,
        create_leases,
        create_audit,
        create_outbox,
    ):
        change()


def order_cases() -> None:
    added: dict[str, TypeEngine[Any]] = {
        "hits": sa.JSON(),
        "policy": sa.String(),
        "severity": sa.Integer(),
        "due_at": sa.Double(),
        "urgency": sa.Double(),
    }
    with op.batch_alter_table("cases") as cases:
        for name, kind in added.items():
            cases.add_column(sa.Column(name, kind, nullable=True))
        cases.add_column(sa.Column("verdict", sa.String(), nullable=True))
    # Give old cases medium severity. A flag that joins later sets the right values.
    op.execute("UPDATE cases SET hits = '[]', policy = '', severity = 1, due_at = created_at + 3600")
    op.execute("UPDATE cases SET urgency = due_at - 900")
    op.execute(
        "UPDATE cases SET verdict = (SELECT verdict FROM decisions WHERE case_id = cases.id ORDER BY at DESC LIMIT 1)"
    )
    with op.batch_alter_table("cases") as cases:
        for name, kind in added.items():
            cases.alter_column(name, existing_type=kind, nullable=False)
    for name in ("", "label", "room", "speaker"):
        columns = [name, "urgency", "id"] if name else ["urgency", "id"]
        op.create_index(
            f"ix_cases_queue_{name}" if name else "ix_cases_queue",
            "cases",
            columns,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        )
    op.create_index(op.f("ix_cases_speaker_verdict_created_at"), "cases", ["speaker", "verdict", "created_at"])
    op.create_index(op.f("ix_cases_label_created_at"), "cases", ["label", "created_at"])


def extend_flags() -> None:
    with op.batch_alter_table("flags") as flags:
        flags.add_column(sa.Column("words", sa.JSON(), nullable=True))
    op.execute("UPDATE flags SET words = '[]'")
    with op.batch_alter_table("flags") as flags:
        flags.alter_column("words", existing_type=sa.JSON(), nullable=False)
    op.create_index(op.f("ix_flags_room_start"), "flags", ["room", "start"])


def extend_decisions() -> None:
    with op.batch_alter_table("decisions") as decisions:
        decisions.add_column(sa.Column("reason", sa.String(), nullable=True))
        decisions.add_column(sa.Column("action", sa.String(), nullable=True))
        decisions.add_column(sa.Column("undone", sa.Double(), nullable=True))
    op.execute("UPDATE decisions SET reason = ''")
    with op.batch_alter_table("decisions") as decisions:
        decisions.alter_column("reason", existing_type=sa.String(), nullable=False)
    op.create_index(op.f("ix_decisions_at"), "decisions", ["at"])


def create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password", sa.String(), nullable=True),
        sa.Column("totp_secret", sa.String(), nullable=True),
        sa.Column("totp_step", sa.Integer(), nullable=False),
        sa.Column("oidc_subject", sa.String(), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.Double(), nullable=False),
        sa.Column("preferences", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_accounts")),
        sa.UniqueConstraint("oidc_subject", name=op.f("uq_accounts_oidc_subject")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_sessions_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_account"), "sessions", ["account"])


def create_leases() -> None:
    op.create_table(
        "leases",
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_leases_account")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_leases_case_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_leases")),
        sa.UniqueConstraint("id", name=op.f("uq_leases_id")),
    )
    op.create_index(op.f("ix_leases_account"), "leases", ["account"])


def create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_actor_seq"), "audit", ["actor", "seq"])
    op.create_index(op.f("ix_audit_subject_seq"), "audit", ["subject", "seq"])
    if op.get_bind().dialect.name == "postgresql":
        guard_postgresql()
    else:
        guard_sqlite()


def guard_sqlite() -> None:
    op.execute(
        "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END"
    )
    op.execute(
        "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit "
        f"WHEN OLD.at > (julianday('now') - 2440587.5) * 86400 - {KEEP_SECONDS} "
        "BEGIN SELECT RAISE(ABORT, 'a line of the audit log is kept for half a year'); END"
    )


def guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP = 'DELETE' AND OLD.at <= extract(epoch FROM now()) - {KEEP_SECONDS} THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'the audit log is only added to, and kept for half a year'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_only_added BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_guard()"
    )
    op.execute(
        "CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_guard()"
    )


def create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("send_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(op.f("ix_outbox_about"), "outbox", ["about"])
    op.create_index(op.f("ix_outbox_status_send_at"), "outbox", ["status", "send_at"])
