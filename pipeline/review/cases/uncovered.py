"""Open cases that nobody can take, because nobody has the skills. The caller opens the connection."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, and_, false, func, or_, select

from pipeline.review.accounts import presence, skills
from pipeline.review.accounts.skills import EVERY, Skills
from pipeline.review.tables.core import CASES, OPEN


class Uncovered(Struct, frozen=True):
    """Open cases of one language that nobody can take.

    `nobody` counts those that no account may get, and `away` those whose people are not at the desk.
    """

    language: str
    escalated: bool
    nobody: int
    away: int


def find(connection: Connection, at: float) -> list[Uncovered]:
    """Return the open cases that nobody can take at `at` (UTC seconds), by language, most cases first."""
    everybody, here = skills.everybody(connection), presence.here(connection, at)
    nobody = _outside(connection, everybody.values())
    away = _outside(connection, [has for name, has in everybody.items() if name in here]) - nobody
    found = [Uncovered(*group, nobody[group], away[group]) for group in nobody.keys() | away.keys()]
    return sorted(found, key=lambda one: (-one.nobody, -one.away, one.language, one.escalated))


def _outside(connection: Connection, people: Iterable[Skills]) -> Counter[tuple[str, bool]]:
    """Count the open cases outside the skills of all these people, by language and whether they are escalated."""
    skilled = set(people)
    if EVERY in skilled:
        return Counter()
    fits = or_(false(), *(and_(*has.conditions()) for has in skilled))
    escalated = CASES.c.status == "escalated"
    query = select(CASES.c.language, escalated.label("escalated"), func.count().label("n")).where(OPEN, ~fits)
    rows = connection.execute(query.group_by(CASES.c.language, escalated))
    return Counter({(row.language, bool(row.escalated)): row.n for row in rows})
