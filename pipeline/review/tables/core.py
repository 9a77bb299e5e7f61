"""The main tables of the review store.

Change them only with a migration (`pipeline/review/migrations/`). A test compares tables and migrations. A migration is
released, and never changed again, once a version is tagged. Until then, change it instead of adding another.

Times are UTC seconds. Text columns have no length limit, because SQLite would ignore it. `cases/case_values.py` refuses
ids that are too long.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

OPEN = text("status <> 'decided'")
"""Condition of the queue's indexes. A database uses them only if a query has exactly this text."""

DECIDED = text("verdict IS NOT NULL")
"""Condition of the indexes of decided cases."""

QUEUE_ORDER = ("rank", "due_at", "id")
"""The order of the queue. No column depends on the time, so an index holds it."""

QUEUE_FILTERS = ("language", "suggestion", "policy", "status", "severity")
"""The columns that filter the queue, beside label, room and speaker."""

GROUPED = ("severity", "language", "label", "status")
"""The columns that decide who may get an open case."""

HEARD = text("source = 'sound'")
"""Condition of the index of flags that a sound led to. A query must have exactly this text."""

UNSENT = text("status IN ('waiting', 'sending')")
"""Condition of the outbox's index. As with OPEN, a query must have exactly this text."""

CASES = Table(
    "cases",
    METADATA,
    Column("id", String, primary_key=True),
    Column("room", String, nullable=False),
    Column("speaker", String, nullable=False),
    Column("room_type", String, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    # Copied from the worst flag, so that the queue reads this table alone.
    Column("label", String, nullable=False),
    Column("suggestion", String, nullable=False),
    Column("risk", Double, nullable=False),
    Column("language", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("hits", JSON, nullable=False),
    Column("policy", String, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    # Lowest first. A process of 0.1.0 that still runs writes none: so its cases come first, and no severe one is late.
    Column("rank", Integer, nullable=False, server_default=text("0")),
    # Release 0.1.0 orders its queue by this.
    Column("urgency", Double, nullable=False, default=lambda context: context.get_current_parameters()["due_at"]),
    Column("verdict", String, nullable=True),
    # Id of the drill that the case belongs to; empty for real speech.
    Column("drill", String, nullable=False, server_default=text("''")),
    # What led to the worst flag. For a sound, `text` is its name or kind.
    Column("source", String, nullable=False, server_default=text("'words'")),
    # The list of cases in pages, newest first, with and without a status.
    Index(None, "created_at", "id"),
    Index(None, "status", "created_at", "id"),
    # A new flag looks for a case of the same speaker at that time.
    Index(None, "room", "speaker", "end"),
    # The queue: open cases in its order, also of one label, room or speaker.
    # The first two hold all filters, so that a filter without matches reads no case.
    Index("ix_cases_queue_all", *QUEUE_ORDER, "label", *QUEUE_FILTERS, sqlite_where=OPEN, postgresql_where=OPEN),
    Index("ix_cases_queue_of_label", "label", *QUEUE_ORDER, *QUEUE_FILTERS, sqlite_where=OPEN, postgresql_where=OPEN),
    Index("ix_cases_queue_room", "room", *QUEUE_ORDER, sqlite_where=OPEN, postgresql_where=OPEN),
    Index("ix_cases_queue_speaker", "speaker", *QUEUE_ORDER, sqlite_where=OPEN, postgresql_where=OPEN),
    # The figures of the queue, by all that decides who may get a case.
    Index("ix_cases_queue_groups", *GROUPED, "due_at", "created_at", sqlite_where=OPEN, postgresql_where=OPEN),
    # Strikes and history of a speaker.
    Index(None, "speaker", "verdict", "created_at"),
    # Similar cases of the past. An open backlog may hold many more cases of the label.
    Index("ix_cases_similar", "label", "created_at", sqlite_where=DECIDED, postgresql_where=DECIDED),
    # Search, newest first. A backlog has no verdicts, and may hold many of the newest cases.
    Index("ix_cases_verdict", "verdict", "created_at", "id", sqlite_where=DECIDED, postgresql_where=DECIDED),
    Index(None, "label", "created_at"),
    Index(None, "room", "created_at"),
    Index(None, "severity", "created_at"),
    Index(None, "language", "created_at"),
    Index(None, "policy", "created_at"),
)

FLAGS = Table(
    "flags",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("room", String, nullable=False),
    Column("speaker", String, nullable=False),
    Column("room_type", String, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    Column("utterance", String, nullable=False),
    Column("transcript", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("language", String, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("suggestion", String, nullable=False),
    Column("risk", Double, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("flagged", JSON, nullable=False),
    Column("hits", JSON, nullable=False),
    Column("marks", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("words", JSON, nullable=False),
    Column("policy", String, nullable=False),
    Column("model", String, nullable=False),
    Column("address", String, nullable=True),
    # The flag came after the decision on its speech (`pipeline/review/cases/repeated_speech.py`).
    Column("linked", Boolean, nullable=False, server_default=false()),
    Column("listeners", Integer, nullable=True),
    Column("identity_verified", Boolean, nullable=True),
    Column("drill", String, nullable=False, server_default=text("''")),
    # NULL: stored before this column existed.
    Column("stored_at", Double, nullable=True),
    # What led to the flag: words or a sound, and the sound.
    Column("source", String, nullable=False, server_default=text("'words'")),
    Column("sound", JSON, nullable=True),
    # NULL: stored before this column existed.
    Column("act", JSON, nullable=True),
    Index(None, "stored_at"),
    # The other speech in a room at the same time.
    Index(None, "room", "start"),
    # How often a banned recording was heard.
    Index("ix_flags_heard", "case_id", sqlite_where=HEARD, postgresql_where=HEARD),
)

EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("path", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("codec", String, nullable=False),
    Column("start", Double, nullable=False),
    Column("end", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("timeline", JSON, nullable=False),
)

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", String, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False, index=True),
    Column("moderator", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("label", String, nullable=True),
    Column("reason", String, nullable=False),
    Column("note", Text, nullable=False),
    Column("action", String, nullable=True),
    # How long the action lasts. NULL: the app decides.
    Column("duration_seconds", Double, nullable=True),
    # The speaker's strikes at the decision, this one included. NULL: not counted.
    Column("strikes", Integer, nullable=True),
    # What the speaker is told.
    Column("notice", Text, nullable=False, server_default=text("''")),
    Column("at", Double, nullable=False),
    Column("undone", Double, nullable=True),
    Index(None, "at"),
    Index(None, "moderator", "at"),
)

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("password", String, nullable=True),
    # totp_secret is base32. totp_step is the last time step used, so that no one-time code works twice.
    Column("totp_secret", String, nullable=True),
    Column("totp_step", Integer, nullable=False),
    Column("oidc_subject", String, nullable=True, unique=True),
    Column("disabled", Boolean, nullable=False),
    # Release 0.1.0 reads these two. Newer ones count wrong passwords in memory (`accounts/login_limits.py`).
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", Double, nullable=False, default=0.0),
    Column("preferences", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    # SHA-256 of the cookie, so that a reader of the table cannot sign in with it.
    Column("id", String, primary_key=True),
    Column("account", ForeignKey("accounts.name"), nullable=False, index=True),
    Column("csrf", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)

DEVICES = Table(
    "devices",
    METADATA,
    # SHA-256 of the cookie. Several people may have signed in with one browser.
    Column("id", String, primary_key=True),
    Column("account", ForeignKey("accounts.name"), primary_key=True, index=True),
    Column("seen_at", Double, nullable=False),
)

LEASES = Table(
    "leases",
    METADATA,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("account", ForeignKey("accounts.name"), nullable=False, index=True),
    Column("taken_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("actor", String, nullable=False),
    Column("action", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", String, nullable=False),
    # Hash of the line before. NULL: written before this column existed.
    Column("before", String, nullable=True),
    Index(None, "subject", "seq"),
    Index(None, "actor", "seq"),
    Index(None, "action", "seq"),
    Index(None, "at"),
)

# One row: the newest line that the audit log ever had. A trigger keeps it, so that a cut end is found.
AUDIT_HEAD = Table(
    "audit_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, nullable=False),
    Column("hash", String, nullable=False),
)

RECORDING_JOBS = Table(
    "recording_jobs",
    METADATA,
    Column("id", String, primary_key=True),
    # The number of the program that sent the recording.
    Column("owner", BigInteger, nullable=False),
    # Idempotency-Key, and SHA-256 of the request. NULL: it had no key, or the recording has failed.
    Column("key", String, nullable=True),
    Column("digest", String, nullable=True),
    Column("status", String, nullable=False),
    Column("progress", Double, nullable=False),
    Column("suggestion", String, nullable=True),
    Column("seconds", Double, nullable=True),
    Column("speech_seconds", Double, nullable=True),
    Column("error", Text, nullable=True),
    Column("utterances", JSON, nullable=False),
    Column("unheard", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double, nullable=True),
    # When the process that works on the recording last said so.
    Column("seen_at", Double, nullable=False),
    Index(None, "owner", "created_at", "id"),
    Index(None, "owner", "key", unique=True),
    Index(None, "ended_at", "seen_at"),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    # Id of the decision or flag that the event is about. An undo of the decision withdraws the event if it is not sent
    # yet.
    Column("about", String, nullable=False, index=True),
    # The events of a lane are sent one after the other, by due_at. The lane is the room, or the event's own id if the
    # event has lost its place.
    Column("lane", String, nullable=False, server_default=text("''")),
    Column("payload", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    # due_at is when the event may be sent first. send_at is when the next try is due; of a sent event, when the app
    # accepted it.
    Column("due_at", Double, nullable=False, server_default=text("0")),
    Column("send_at", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("status", String, nullable=False),
    Index("ix_outbox_unsent", "lane", "due_at", "id", sqlite_where=UNSENT, postgresql_where=UNSENT),
    Index(None, "kind", "lane", "due_at"),
)
