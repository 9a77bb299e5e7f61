"""The open cases in groups: by all that decides who may get a case. One reading of an index gives all groups.

The figures of the queue are sums over groups, so their cost grows only with the number of open cases.
"""

from msgspec import Struct
from sqlalchemy import Connection, case, func, select

from pipeline.review.tables.core import CASES, GROUPED, OPEN


class OpenGroup(Struct, frozen=True, kw_only=True):
    """The open cases that have these four fields in common. Times are UTC seconds."""

    severity: int
    language: str
    label: str
    status: str
    open: int
    late: int
    """The cases past their deadline."""
    oldest: float
    """When the oldest case was stored."""
    due: float
    """The earliest deadline."""


def open_groups(connection: Connection, at: float) -> list[OpenGroup]:
    """Return the groups of the cases that are open at `at` (UTC seconds). The caller opens the connection."""
    keys = [CASES.c[name] for name in GROUPED]
    late = func.sum(case((CASES.c.due_at < at, 1), else_=0))
    query = select(*keys, func.count(), late, func.min(CASES.c.created_at), func.min(CASES.c.due_at))
    rows = connection.execute(query.where(OPEN).group_by(*keys)).all()
    return [OpenGroup(**dict(zip(OpenGroup.__struct_fields__, row, strict=True))) for row in rows]
