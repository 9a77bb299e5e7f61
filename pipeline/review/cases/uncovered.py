"""Open cases that nobody can take, because nobody has the skills. The caller opens the connection."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct
from sqlalchemy import Connection

from pipeline.review.accounts import presence, skills
from pipeline.review.accounts.skills import Skills
from pipeline.review.cases.groups import OpenGroup


class Uncovered(Struct, frozen=True):
    """Open cases of one language that nobody can take.

    `nobody` counts those that no account may get, and `away` those whose people are not at the desk.
    """

    language: str
    escalated: bool
    nobody: int
    away: int


def find(connection: Connection, waiting: Sequence[OpenGroup], at: float) -> list[Uncovered]:
    """Return the cases of the groups `waiting` that nobody can take at `at` (UTC seconds), by language, most first."""
    everybody, here = skills.all_skills(connection), presence.people_here(connection, at)
    nobody = _outside(waiting, everybody.values())
    away = _outside(waiting, [has for name, has in everybody.items() if name in here]) - nobody
    found = [Uncovered(*group, nobody[group], away[group]) for group in nobody.keys() | away.keys()]
    return sorted(found, key=lambda one: (-one.nobody, -one.away, one.language, one.escalated))


def _outside(waiting: Iterable[OpenGroup], people: Iterable[Skills]) -> Counter[tuple[str, bool]]:
    """Count the cases outside the skills of all these people, by language and whether they are escalated."""
    skilled, counts = set(people), Counter[tuple[str, bool]]()
    for group in waiting:
        if not any(has.fit(group) for has in skilled):
            counts[group.language, group.status == "escalated"] += group.open
    return counts
