"""Tables of search: the words of each case, and the saved views."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeEngine

from pipeline.review.tables.core import METADATA


class GramColumn(TypeDecorator[Collection[str]]):
    """Grams (`pipeline/review/search/grams.py`): PostgreSQL keeps a tsvector, SQLite a text with spaces between them.

    A gram has only letters and digits, so quotes around it are enough.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> str:
        pattern = "'{}'" if dialect.name == "postgresql" else "{}"
        return " ".join(pattern.format(gram) for gram in value or ())


SAID = Table(
    # What was said in each case. Copies for checks have no row, so no search finds them.
    "said",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    # CASCADE: a process of the version before deletes cases, and does not know this table.
    Column("case_id", ForeignKey("cases.id", ondelete="CASCADE"), nullable=False, unique=True),
    # That of the case, so that a search can stop before it joins the tables.
    Column("created_at", Double, nullable=False),
    # The normalised words of all its flags.
    Column("text", Text, nullable=False),
    # On SQLite, triggers keep the full-text index `said_index` (FTS5) of this column.
    Column("grams", GramColumn, nullable=False),
    Index(None, "created_at"),
)

VIEWS = Table(
    # A saved view is a filter of the queue or a search, under a name.
    "views",
    METADATA,
    Column("id", String, primary_key=True),
    Column("account", ForeignKey("accounts.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    # "search" or "queue"
    Column("page", String, nullable=False),
    # The query string of the page's URL.
    Column("query", Text, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
)
