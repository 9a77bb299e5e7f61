"""Open cases that nobody can take, because nobody has the skills. The caller opens the connection."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, func, select

from pipeline.review.accounts import presence, skills
from pipeline.review.accounts.skills import CaseKind, Skills
from pipeline.review.tables.core import CASES, OPEN


class Uncovered(Struct, frozen=True):
    """Open cases of one language that nobody can take.

    `nobody` counts those that no account may get, and `away` those whose people are not at the desk.
    """

    language: str
    escalated: bool
    nobody: int
    away: int


def kinds(connection: Connection) -> Counter[CaseKind]:
    """Count the open cases of each kind."""
    columns = (CASES.c.language, CASES.c.label, CASES.c.severity, CASES.c.status)
    rows = connection.execute(select(*columns, func.count().label("n")).where(OPEN).group_by(*columns))
    return Counter({CaseKind(row.language, row.label, row.severity, row.status): row.n for row in rows})


def find(connection: Connection, at: float) -> list[Uncovered]:
    """Return the open cases that nobody can take at `at` (UTC seconds), by language, most cases first."""
    everybody, here = skills.everybody(connection), presence.here(connection, at)
    at_desk = [has for name, has in everybody.items() if name in here]
    nobody: Counter[tuple[str, bool]] = Counter()
    away: Counter[tuple[str, bool]] = Counter()
    for kind, count in kinds(connection).items():
        group = kind.language, kind.status == "escalated"
        if not _fit(everybody.values(), kind):
            nobody[group] += count
        elif not _fit(at_desk, kind):
            away[group] += count
    found = [Uncovered(*group, nobody[group], away[group]) for group in nobody.keys() | away.keys()]
    return sorted(found, key=lambda one: (-one.nobody, -one.away, one.language, one.escalated))


def _fit(people: Iterable[Skills], kind: CaseKind) -> bool:
    return any(has.fit(kind) for has in people)
