"""From 0.1.0 to 0.2.0: all tables, columns, indexes and triggers that came between the two releases.

Builds between them had migrations up to 0027, so the next one is 0006_0028 (`only_added_to` and `UNRELEASED`
in `pipeline/review/database.py`).
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column, ForeignKeyConstraint, Index, Table
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OPEN = sa.text("status <> 'decided'")
DECIDED = sa.text("verdict IS NOT NULL")
UNREAD = sa.text("NOT read")
FILTERS = ["language", "suggestion", "policy", "status", "severity"]
GROUPED = ["severity", "language", "label", "status", "due_at", "created_at"]

GENESIS = "0" * 64
ADDED_TO = "the audit log is only added to"
FINAL = "a final report is never changed"
PUBLISHED = "a published policy is never changed"

# The new tables are frozen here: those in `pipeline/review/tables/` change with later migrations.
NEW = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


def table(name: str, keys: str, columns: str, *parts: str | SchemaItem, **options: Any) -> None:
    """Define a table. `keys` and `columns` are like "String id name, Double ended_at?", and `?` allows NULL.

    A text in `parts` is an index: the names of its columns.
    """
    made = [Column(key, kind, primary_key=True, autoincrement=False) for key, kind in typed(keys)]
    made += [Column(named.rstrip("?"), kind, nullable=named.endswith("?")) for named, kind in typed(columns)]
    others = (Index(None, *part.split()) if isinstance(part, str) else part for part in parts)
    Table(name, NEW, *made, *others, **options)


def typed(written: str) -> Iterator[tuple[str, TypeEngine[Any]]]:
    for group in filter(None, written.split(", ")):
        kind, *names = group.split()
        yield from ((name, getattr(sa, kind)()) for name in names)


def link(column: str, target: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    return ForeignKeyConstraint([column], [target], ondelete=ondelete)


# Tables of 0.1.0 that the new ones refer to.
for old, key in (("accounts", "name"), ("cases", "id"), ("decisions", "id"), ("flags", "id")):
    table(old, f"String {key}", "")

# Figures of all speech.
table(
    "tallies",
    "String measure, Integer hour, String bucket room_type language label policy model",
    "BigInteger count samples",
    sqlite_with_rowid=False,
)
table("counted", "LargeBinary key", "String state reason, Double at", "at")
table("room_types", "String name", "Double first_seen_at")
table("room_speech", "String room, Integer day, String language state", "BigInteger samples", "day", "state day")

# The security assessment.
table(
    "actions",
    "String decision",
    "String action result, Double at received_at, Text detail",
    "at",
    link("decision", "decisions.id", "CASCADE"),
)
table("room_hours", "Integer hour, String room_type", "Integer rooms, Double seconds received_at")
table(
    "register",
    "String id",
    "String kind, Double opened_at due_at? closed_at?, JSON fields, String author, Double changed_at",
    "kind opened_at",
)
table(
    "triggers",
    "String id",
    "String clause signal, JSON detail, Double found_at, String state decided_by?, Double decided_at?, "
    "Text reason, String due?",
    "found_at",
)
table(
    "hazards",
    "String id",
    "String source about, Text title, Double found_at, String owner due? state",
    "state found_at",
)
table(
    "hazard_steps",
    "String hazard, Integer number",
    "Double at, String author state, Text note, JSON evidence",
    link("hazard", "hazards.id"),
)
table("answers", "String assessment field, Integer number", "Text text, String author, Double at")
table(
    "assessments",
    "String id",
    "Text title, Double since until, String opened_by, Double opened_at, String state finished_by?, "
    "Double finished_at?, String sha256?, Text content?",
)
table("drills", "String id", "String kind started_by, Double started_at ended_at?")
table(
    "drill_lines",
    "String drill room",
    "String language label, Text text, Double spoken_at, String suggestion?, JSON flagged?, Text heard?, "
    "Double stored_at?",
    link("drill", "drills.id"),
)

# What happens in rooms.
table(
    "enforcements",
    "String id",
    "String decision? flag? action state, Double at until?, JSON permission?, Text detail",
    link("decision", "decisions.id", "CASCADE"),
    link("flag", "flags.id", "CASCADE"),
    "decision",
    "flag",
    "state until",
)
table("livekit_beats", "String member", "BigInteger beat")
table(
    "muted_phrases",
    "String id",
    "String room label term case_id asked_by, Double asked_at, String approved_by?, Double approved_at? until, "
    "String ended_by?",
    "case_id",
    "room until",
    "until",
)
table(
    "banned_recordings",
    "String id",
    "Text title reason, String label added_by, Double added_at seconds, LargeBinary landmarks",
)

# Recordings that programs sent to the HTTP API.
table(
    "recording_jobs",
    "String id",
    "BigInteger owner, String key? digest? status, Double progress, String suggestion?, "
    "Double seconds? speech_seconds?, Text error?, JSON utterances unheard, Double created_at ended_at? seen_at",
    "owner created_at id",
    Index("ix_recording_jobs_owner_key", "owner", "key", unique=True),
    "ended_at seen_at",
)

table("awaited_clips", "String case_id", "Double due_at?", "due_at", link("case_id", "cases.id", "CASCADE"))

# Policies.
table(
    "policy_versions",
    "Integer number",
    "String name, JSON texts, String sha256, Text title, JSON authors, String approver, Double published_at, "
    "Integer back_to?",
)
table(
    "policy_drafts",
    "Integer number",
    "Text title, JSON texts, String sha256, JSON authors, String state, Double edited_at, String asked_by?, "
    "Double asked_at?, Integer version?",
    "state edited_at",
)
table("policy_shadows", "String mark", "JSON texts, String started_by, Double started_at")
table("policy_releases", "Integer edition", "Integer version?, JSON shadows, Double at")
table("policy_workers", "String worker", "Integer edition, String policy, Text problem, Double since seen_at")
table(
    "policy_shadow_counts",
    "String mark worker, Double since",
    "Integer judged flagged differ",
    link("mark", "policy_shadows.mark", "CASCADE"),
)
table(
    "policy_backtests",
    "Integer draft",
    "String sha256, Integer against hours, String state asked_by, Double asked_at beat_at, Integer done total, "
    "JSON result?",
    link("draft", "policy_drafts.number", "CASCADE"),
)

# Search. The console fills `said` in the background, newest cases first (`pipeline/review/search/case_words.py`).
Table(
    "said",
    NEW,
    Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
    Column("case_id", sa.String, nullable=False, unique=True),
    Column("created_at", sa.Double, nullable=False, index=True),
    Column("text", sa.Text, nullable=False),
    Column("grams", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
    link("case_id", "cases.id", "CASCADE"),
)
table(
    "views",
    "String id",
    "String account name page, Text query, Boolean shared, Double created_at",
    "account",
    link("account", "accounts.name", "CASCADE"),
)

# Work of people.
table(
    "assignments",
    "String case_id",
    "String account? by, Double at until, String reason move before?",
    link("case_id", "cases.id", "CASCADE"),
    link("account", "accounts.name"),
    "account",
    "at",
    "move",
)
table(
    "skills",
    "String account",
    "JSON languages labels, Integer severity, Boolean escalated",
    link("account", "accounts.name"),
)
table("presence", "String account", "Double seen_at", link("account", "accounts.name"))
table("viewers", "String account page", "String case, Double until", link("account", "accounts.name"))
table(
    "notes",
    "String id",
    "String case_id author, Text text, Double at",
    "case_id at",
    link("case_id", "cases.id", "CASCADE"),
)
table(
    "mentions",
    "String note account",
    "Double at, Boolean read",
    link("note", "notes.id", "CASCADE"),
    link("account", "accounts.name"),
    Index("ix_mentions_unread", "account", "at", sqlite_where=UNREAD, postgresql_where=UNREAD),
)

# Access.
table("devices", "String id account", "Double seen_at", "account", link("account", "accounts.name"))
table(
    "invitations",
    "String account",
    "String hash made_by, Double expires_at",
    link("account", "accounts.name"),
    sa.UniqueConstraint("hash"),
)
table("recovery_codes", "String account hash", "", link("account", "accounts.name"))
table(
    "api_tokens",
    "String id",
    "String hash name, JSON scopes, String made_by, Double created_at expires_at? used_at? revoked_at?",
)
table("audit_head", "Integer id", "Integer seq, String hash")
table("draw_key", "Integer number", "LargeBinary key")


def refuse(reason: str) -> str:
    return f"SELECT RAISE(ABORT, '{reason}');"


def refusing(table: str, reason: str, condition: str = "") -> Iterator[str]:
    """Yield PostgreSQL's statements that make a table's rows final."""
    yield (
        f"CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION '{reason}'; END $$"
    )
    yield (
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW "
        f"{condition}EXECUTE FUNCTION {table}_guard()"
    )
    yield (
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_guard()"
    )


# Words that leave and enter the full-text index of SQLite.
FORGET = "INSERT INTO said_index(said_index, rowid, grams) VALUES ('delete', OLD.number, OLD.grams);"
STORE = "INSERT INTO said_index(rowid, grams) VALUES (NEW.number, NEW.grams);"

# Each trigger: its name, when it acts, and what it does.
SQLITE = {
    "said_index_insert": ("AFTER INSERT ON said", STORE),
    "said_index_delete": ("AFTER DELETE ON said", FORGET),
    "said_index_update": ("AFTER UPDATE ON said", FORGET + STORE),
    "assessments_no_update": ("BEFORE UPDATE ON assessments WHEN OLD.state = 'final'", refuse(FINAL)),
    "assessments_no_delete": ("BEFORE DELETE ON assessments WHEN OLD.state = 'final'", refuse(FINAL)),
    "policy_versions_no_update": ("BEFORE UPDATE ON policy_versions", refuse(PUBLISHED)),
    "policy_versions_no_delete": ("BEFORE DELETE ON policy_versions", refuse(PUBLISHED)),
    # INSERT OR REPLACE deletes rows without a trigger of its own, so the insertion is refused.
    "policy_versions_no_replace": (
        "BEFORE INSERT ON policy_versions WHEN EXISTS (SELECT 1 FROM policy_versions WHERE number = NEW.number)",
        refuse(PUBLISHED),
    ),
    "audit_no_replace": ("BEFORE INSERT ON audit WHEN NEW.seq <> (SELECT seq FROM audit_head) + 1", refuse(ADDED_TO)),
    "audit_head_follows": ("AFTER INSERT ON audit", "UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;"),
    "audit_head_no_step_back": (
        "BEFORE UPDATE ON audit_head WHEN NEW.seq <> OLD.seq + 1 OR NEW.id <> 1",
        refuse(ADDED_TO),
    ),
    "audit_head_no_delete": ("BEFORE DELETE ON audit_head", refuse(ADDED_TO)),
    "audit_head_no_insert": ("BEFORE INSERT ON audit_head", refuse(ADDED_TO)),
}

POSTGRESQL = (
    # No list of waiting words (`fastupdate`), because each search would read all of it.
    "CREATE INDEX ix_said_grams ON said USING gin (grams) WITH (fastupdate = off)",
    *refusing("assessments", FINAL, "WHEN (OLD.state = 'final') "),
    *refusing("policy_versions", PUBLISHED),
    "CREATE FUNCTION audit_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash WHERE seq = NEW.seq - 1; "
    "IF NOT FOUND THEN RAISE EXCEPTION 'the audit log is only added to'; END IF; RETURN NEW; END $$",
    "CREATE TRIGGER audit_follows BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_follow()",
    "CREATE FUNCTION audit_head_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF TG_OP = 'UPDATE' THEN IF NEW.seq = OLD.seq + 1 AND NEW.id = 1 THEN RETURN NEW; END IF; END IF; "
    f"RAISE EXCEPTION '{ADDED_TO}'; END $$",
    "CREATE TRIGGER audit_head_only_follows BEFORE INSERT OR UPDATE OR DELETE ON audit_head "
    "FOR EACH ROW EXECUTE FUNCTION audit_head_guard()",
    "CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_head_guard()",
)


def upgrade() -> None:
    extend_tables()
    NEW.create_all(op.get_bind())  # without the tables that exist
    op.bulk_insert(NEW.tables["draw_key"], [{"number": 1, "key": secrets.token_bytes(32)}])
    index_cases()
    order_outbox()
    keep_one_break()
    start_audit_head(op.get_bind())
    add_triggers()


def add_triggers() -> None:
    """Add PostgreSQL's or SQLite's triggers and full-text index."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in POSTGRESQL:
            op.execute(statement)
        return
    # The tokenizer `ascii` keeps each gram whole. Its places in the text are not needed (`detail`).
    op.execute(
        "CREATE VIRTUAL TABLE said_index USING fts5("
        "grams, content='said', content_rowid='number', tokenize='ascii', detail='none', columnsize=0)"
    )
    for name, (occasion, does) in SQLITE.items():
        op.execute(f"CREATE TRIGGER {name} {occasion} BEGIN {does} END")


def extend_tables() -> None:
    for table, columns, default in (
        ("cases", "String drill", "''"),
        ("cases", "String source", "'words'"),
        ("flags", "Integer listeners, Boolean identity_verified", None),
        ("flags", "String drill", "''"),
        ("flags", "Double stored_at", None),
        ("flags", "String source", "'words'"),
        ("flags", "JSON sound", None),
        ("flags", "JSON act", None),
        ("decisions", "Double duration_seconds, Integer strikes", None),
        ("decisions", "Text notice", "''"),
        ("outbox", "String lane", "''"),
        ("outbox", "Double due_at", "0"),
        ("audit", "String before", None),
    ):
        value = sa.text(default) if default else None
        for name, kind in typed(columns):
            op.add_column(table, Column(name, kind, nullable=default is None, server_default=value))
    add_index("flags", "stored_at")
    add_index("flags", "case_id", name="ix_flags_heard", where=sa.text("source = 'sound'"))
    add_index("audit", "action", "seq")
    add_index("audit", "at")


def add_index(table: str, *columns: str, name: str | None = None, where: Any = None, unique: bool = False) -> None:
    name = name or op.f(f"ix_{table}_{'_'.join(columns)}")
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=where, postgresql_where=where)


def index_cases() -> None:
    """Let a filter of the queue read one index only, and a search of one column find the newest cases."""
    op.drop_index("ix_cases_queue", "cases")
    op.drop_index("ix_cases_queue_label", "cases")
    add_index("cases", "urgency", "id", "label", *FILTERS, name="ix_cases_queue_all", where=OPEN)
    add_index("cases", "label", "urgency", "id", *FILTERS, name="ix_cases_queue_of_label", where=OPEN)
    add_index("cases", *GROUPED, name="ix_cases_queue_groups", where=OPEN)
    add_index("cases", "label", "created_at", name="ix_cases_similar", where=DECIDED)
    add_index("cases", "verdict", "created_at", "id", name="ix_cases_verdict", where=DECIDED)
    for column in ("room", "severity", "language", "policy"):
        add_index("cases", column, "created_at")


def order_outbox() -> None:
    """Give the events that wait their place: those of one room are sent in order."""
    outbox = sa.table(
        "outbox", sa.column("lane"), sa.column("due_at"), sa.column("send_at"), sa.column("payload", sa.JSON)
    )
    room = sa.func.coalesce(outbox.c.payload["room"].as_string(), "")
    op.execute(sa.update(outbox).values(lane=room, due_at=outbox.c.send_at))
    op.drop_index("ix_outbox_status_send_at", "outbox")
    unsent = sa.text("status IN ('waiting', 'sending')")
    add_index("outbox", "lane", "due_at", "id", name="ix_outbox_unsent", where=unsent)
    add_index("outbox", "kind", "lane", "due_at")


def keep_one_break() -> None:
    """Keep one break at a time for each person. In 0.1.0, two requests at once could start two."""
    breaks = sa.table("breaks", sa.column("id"), sa.column("account"), sa.column("ended_at"))
    # The first one knows what was left of the lease.
    first = sa.select(sa.func.min(breaks.c.id)).where(breaks.c.ended_at.is_(None)).group_by(breaks.c.account)
    op.execute(sa.delete(breaks).where(breaks.c.ended_at.is_(None), breaks.c.id.not_in(first)))
    add_index("breaks", "account", name="uq_breaks_running", where=sa.text("ended_at IS NULL"), unique=True)


def start_audit_head(connection: sa.Connection) -> None:
    anchor_old_cut(connection)
    newest = connection.execute(sa.text("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")).one_or_none()
    seq, head = (newest.seq, newest.hash) if newest else (0, GENESIS)
    connection.execute(
        sa.text("INSERT INTO audit_head (id, seq, hash) VALUES (1, :seq, :hash)"), {"seq": seq, "hash": head}
    )


def anchor_old_cut(connection: sa.Connection) -> None:
    """Anchor the deletions of 0.1.0: add a line as `audit.cut` does."""
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
