"""Search: the words of each case, saved views, and indexes for filters.

The table of words stays empty here. The console fills it in the background, newest cases first
(`search/case_words.py`), so its index needs no `CREATE INDEX CONCURRENTLY`, which no transaction may contain.
The other indexes take about a second for a million cases.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

OPEN = sa.text("status <> 'decided'")
FORGET = "INSERT INTO said_index(said_index, rowid, grams) VALUES ('delete', OLD.number, OLD.grams);"
STORE = "INSERT INTO said_index(rowid, grams) VALUES (NEW.number, NEW.grams);"
TRIGGERS = {"INSERT": STORE, "DELETE": FORGET, "UPDATE": FORGET + STORE}


def upgrade() -> None:
    create_words()
    create_views()
    create_filters()


def create_words() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "said",
        sa.Column("number", sa.BigInteger() if postgres else sa.Integer(), nullable=False),
        sa.Column("case_id", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("grams", TSVECTOR() if postgres else sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_said_case_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_said")),
        sa.UniqueConstraint("case_id", name=op.f("uq_said_case_id")),
    )
    op.create_index(op.f("ix_said_created_at"), "said", ["created_at"])
    if postgres:
        # No list of waiting words (`fastupdate`), because each search would read all of it.
        op.execute("CREATE INDEX ix_said_grams ON said USING gin (grams) WITH (fastupdate = off)")
        return
    # The tokenizer `ascii` keeps each gram whole. Its places in the text are not needed (`detail`).
    op.execute(
        "CREATE VIRTUAL TABLE said_index USING fts5("
        "grams, content='said', content_rowid='number', tokenize='ascii', detail='none', columnsize=0)"
    )
    for event, acts in TRIGGERS.items():
        op.execute(f"CREATE TRIGGER said_index_{event.lower()} AFTER {event} ON said BEGIN {acts} END")


def create_views() -> None:
    op.create_table(
        "views",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("page", sa.String(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"], name=op.f("fk_views_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_views")),
    )
    op.create_index(op.f("ix_views_account"), "views", ["account"])


def create_filters() -> None:
    """Let a filter of the queue read one index only, and a search of one column find the newest cases."""
    filters = ["language", "suggestion", "policy", "status", "severity"]
    for name, first in (("all", ["urgency", "id", "label"]), ("of_label", ["label", "urgency", "id"])):
        op.create_index(f"ix_cases_queue_{name}", "cases", [*first, *filters], sqlite_where=OPEN, postgresql_where=OPEN)
    op.drop_index("ix_cases_queue", "cases")
    op.drop_index("ix_cases_queue_label", "cases")
    for column in ("room", "severity", "language", "policy"):
        op.create_index(op.f(f"ix_cases_{column}_created_at"), "cases", [column, "created_at"])
