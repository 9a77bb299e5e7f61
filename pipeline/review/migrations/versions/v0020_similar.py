"""An index of decided cases by label, for similar cases of the past."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

DECIDED = sa.text("verdict IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_cases_similar", "cases", ["label", "created_at"], sqlite_where=DECIDED, postgresql_where=DECIDED
    )
