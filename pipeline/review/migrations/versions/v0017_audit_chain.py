"""The audit log: the hash of the line before, the newest line, and no way to replace a line or to put one back."""

import time
from collections.abc import Sequence
from hashlib import sha256

import msgspec
import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

GENESIS = "0" * 64

SQLITE = (
    # INSERT OR REPLACE deletes lines without a trigger of its own, so the insertion is refused.
    "CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN NEW.seq <> (SELECT seq FROM audit_head) + 1 "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END",
    "CREATE TRIGGER audit_head_follows AFTER INSERT ON audit "
    "BEGIN UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash; END",
    "CREATE TRIGGER audit_head_no_step_back BEFORE UPDATE ON audit_head WHEN NEW.seq <> OLD.seq + 1 OR NEW.id <> 1 "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END",
    "CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END",
    "CREATE TRIGGER audit_head_no_insert BEFORE INSERT ON audit_head "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION audit_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash WHERE seq = NEW.seq - 1; "
    "IF NOT FOUND THEN RAISE EXCEPTION 'the audit log is only added to'; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER audit_follows BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_follow()",
    "CREATE FUNCTION audit_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'UPDATE' THEN IF NEW.seq = OLD.seq + 1 AND NEW.id = 1 THEN RETURN NEW; END IF; END IF; "
    "RAISE EXCEPTION 'the audit log is only added to'; END $$",
    "CREATE TRIGGER audit_head_only_follows BEFORE INSERT OR UPDATE OR DELETE ON audit_head "
    "FOR EACH ROW EXECUTE FUNCTION audit_head_guard()",
    "CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_head_guard()",
)


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("audit", sa.Column("before", sa.String(), nullable=True))
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    anchor_old_cut(connection)
    newest = connection.execute(sa.text("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")).one_or_none()
    seq, head = (newest.seq, newest.hash) if newest else (0, GENESIS)
    connection.execute(
        sa.text("INSERT INTO audit_head (id, seq, hash) VALUES (1, :seq, :hash)"), {"seq": seq, "hash": head}
    )
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        op.execute(statement)


def anchor_old_cut(connection: sa.Connection) -> None:
    """Anchor the deletions of older versions: add a line as `audit.cut` does."""
    rows = "SELECT seq, hash FROM audit ORDER BY seq {} LIMIT 1"
    oldest = connection.execute(sa.text(rows.format("ASC"))).one_or_none()
    if oldest is None or oldest.seq == 1:
        return
    newest = connection.execute(sa.text(rows.format("DESC"))).one()
    cut = {"before": None, "first": oldest.seq, "hash": oldest.hash, "lines": oldest.seq - 1}
    detail = msgspec.json.encode(cut, order="deterministic").decode()
    line = [newest.seq + 1, time.time(), "voxwarden", "audit.cut", str(oldest.seq), detail]
    names = ("seq", "at", "actor", "action", "subject", "detail", "hash", "before")
    covered = sha256(msgspec.json.encode([newest.hash, *line])).hexdigest()
    audit = sa.table("audit", *(sa.column(name) for name in names))
    connection.execute(sa.insert(audit).values(dict(zip(names, [*line, covered, newest.hash], strict=True))))
