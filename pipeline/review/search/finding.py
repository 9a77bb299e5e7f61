"""Searches the cases, newest first. The caller opens the connection.

The search walks through the cases that match the filters, newest first. It looks at each: whether the viewer sees it,
and whether the words are there. So a frequent word is found soon, and a rare filter ends soon. If the walk finds the
words too rarely, the index of words gives all cases that have them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, json
from msgspec.structs import replace
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    and_,
    cast,
    column,
    func,
    or_,
    select,
    table,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from pipeline.review.cases import eligibility
from pipeline.review.cases.case_queue import Without
from pipeline.review.cases.case_values import REPORTED
from pipeline.review.privacy import holds
from pipeline.review.search.case_words import Needles, needles
from pipeline.review.search.query import Field, Wanted
from pipeline.review.tables.case_tables import APPEALS, CHECKS, COPIES, SAID, WAITING
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE

PAGE = 50
COUNTED = 1_000
"""Matches are counted up to this number."""
STEP = 4_000
"""How many cases the search looks at together."""
WALKED = 40_000
"""The index of words gives all cases with them, so it is asked only if a walk would be longer than this."""
DECIDED_LAST = (4_000, 32_000)
"""How many of a person's last decisions are looked at first."""
SKEW_SECONDS = 60.0
"""A decision is later than its case, if the clocks of two machines differ less than this."""

FACETS: tuple[Field, ...] = ("status", "verdict", "severity", "language", "has")
KEPT = ("audio", "hold")
"""The values of `has` that are counted."""

INDEX = table("said_index", column("rowid"))
"""The full-text index of SQLite."""

Place = tuple[float, str]
"""The place of a case in the results: when it was stored (UTC seconds), and its id.

In the order `risk`, it is minus the risk, and the id.
"""


STORED = (CASES.c.created_at, CASES.c.id)
SPOKEN = (SAID.c.created_at, SAID.c.case_id)
"""The columns of a place."""


class Viewer(Struct, frozen=True):
    """The person who searches. `without` are the cases that they do not get, and `users` their ids in the app.

    A person who may get the copy of a case as a check must not see the original meanwhile: it tells the first verdict.
    So `checked` is false for everybody but leads and auditors.
    """

    without: Without = Without()
    users: frozenset[str] = frozenset()
    checked: bool = False


class FoundCase(Struct, frozen=True):
    """A case that matches, with the columns that are counted."""

    id: str
    created_at: float
    status: str
    verdict: str | None
    severity: int
    language: str
    risk: float

    @property
    def place(self) -> Place:
        return self.created_at, self.id


ORDERS: Mapping[str, Callable[[FoundCase], Place]] = {
    "oldest": lambda one: one.place,
    "risk": lambda one: (-one.risk, one.id),
}
"""Sort keys of the orders in which matches are not found."""

COLUMNS = tuple(CASES.c[name] for name in (*FoundCase.__struct_fields__, "speaker", "label"))
"""The columns of a case that the search and `shows` need."""


def find_cases(
    connection: Connection, wanted: Wanted, viewer: Viewer, before: Place | None = None, most: int = COUNTED
) -> list[FoundCase]:
    """Return the newest matches, at most `most`. For the next page, give the `place` of the last one as `before`."""
    # A person's cases are found soon among their last decisions, without a walk through everybody's cases.
    for since in _last_decided(connection, () if wanted.said else wanted.by):
        if wanted.since is None or since > wanted.since:
            found = _find(connection, replace(wanted, since=since), viewer, before, most)
            if len(found) == most:
                return found
    return _find(connection, wanted, viewer, before, most)


def ordered(found: Sequence[FoundCase], order: str) -> list[FoundCase]:
    """Return matches in the order `oldest` or `risk`: highest first. In the order `newest` they are found."""
    return sorted(found, key=ORDERS[order]) if order in ORDERS else list(found)


def facets(
    connection: Connection, wanted: Wanted, viewer: Viewer, found: Sequence[FoundCase]
) -> dict[str, Mapping[str, int]]:
    """Count the matches by status, verdict, severity, language, and what is kept. `found` matches `wanted`.

    A filter does not limit the counts of its own facet, so that a person sees what the other values would give.
    """
    counts: dict[str, Mapping[str, int]] = {}
    for name in FACETS:
        among = found
        if name != "has" and getattr(wanted, name):
            among = find_cases(connection, replace(wanted, **{name: ()}), viewer)
        counts[name] = _kept(connection, among) if name == "has" else _counted(among, name)
    return counts


def shows(viewer: Viewer, cases: FromClause = CASES) -> ColumnElement[bool]:
    """Return the condition on a row of `cases` that search and the pages of speakers and rooms show it to `viewer`.

    Copies for checks are never shown. Cases in which the viewer has a part are not shown either.
    """
    conditions: list[ColumnElement[bool]] = [cases.c.id.not_in(COPIES)]
    if not viewer.checked:
        theirs = select(CHECKS.c.original).where(WAITING, CHECKS.c.original.is_not(None))
        conditions.append(cases.c.id.not_in(theirs))
    if viewer.users:
        conditions.append(~eligibility.involves(viewer.users, cases))
    if viewer.without.cases:
        conditions.append(cases.c.id.not_in(viewer.without.cases))
    if viewer.without.labels:
        conditions.append(cases.c.label.not_in(viewer.without.labels))
    if viewer.without.severity is not None:
        conditions.append(cases.c.severity < viewer.without.severity)
    return and_(*conditions)


def _last_decided(connection: Connection, people: Sequence[str]) -> Iterator[float]:
    """Yield times (UTC seconds): the cases since then that these people decided are among their last decisions."""
    for number in DECIDED_LAST if people else ():
        query = select(DECISIONS.c.at).where(_standing(people)).order_by(DECISIONS.c.at.desc()).offset(number).limit(1)
        at = connection.scalar(query)
        if at is None:
            return
        yield at + SKEW_SECONDS


def _find(connection: Connection, wanted: Wanted, viewer: Viewer, before: Place | None, most: int) -> list[FoundCase]:
    """Return the newest matches by the way that reads the fewest cases."""
    found: list[FoundCase] = []
    # The table of words has short rows, so twice as many are read.
    times = 2 if _columns(wanted) is SPOKEN else 1
    place, walked, step = before, 0, times * STEP if wanted.said else most
    while True:
        found += _seen(connection, _walk(connection, wanted, place, step), viewer, most - len(found))
        if len(found) == most:
            return found
        place, walked = _end(connection, wanted, place, step), walked + step
        if place is None:
            return found
        # At the rate of matches so far, the rest of the page would need a walk longer than WALKED.
        if wanted.said and len(found) * (times * WALKED - walked) < (most - len(found)) * walked:
            return found + _by_index(connection, wanted, viewer, place, most - len(found))


def _walk(connection: Connection, wanted: Wanted, before: Place | None, step: int) -> Select[Any]:
    """Return the query for the matches among the next `step` cases that match the filters, newest first."""
    words, filters, place = _contains(connection, wanted.said), list(_filters(wanted)), _columns(wanted)
    if place is SPOKEN:
        query = select(SAID.c.case_id.label("id"), words.label("said")).where(*_within(wanted, before, place))
        spoken = _newest(query, place).limit(step).subquery()
        return _newest(select(*COLUMNS).join(spoken, spoken.c.id == CASES.c.id).where(spoken.c.said))
    # A subquery for each case, because a database might read all words to join them to few cases.
    said = select(words).where(SAID.c.case_id == CASES.c.id).scalar_subquery() if wanted.said else true()
    query = select(*COLUMNS, said.label("said")).where(*filters, *_within(wanted, before, place))
    walked = _newest(query, place).limit(step).subquery()
    return select(*(walked.c[column.name] for column in COLUMNS)).where(walked.c.said)


def _end(connection: Connection, wanted: Wanted, before: Place | None, step: int) -> Place | None:
    """Return the place of the last of the next `step` cases of a walk; None if there are not so many."""
    place = _columns(wanted)
    query = select(*place).where(*_filters(wanted), *_within(wanted, before, place))
    row = connection.execute(_newest(query, place).offset(step - 1).limit(1)).one_or_none()
    return (row[0], row[1]) if row else None


def _columns(wanted: Wanted) -> tuple[Column[Any], Column[Any]]:
    """Return the columns of a place in the table that a walk reads. Without filters, the table of words is enough."""
    return STORED if list(_filters(wanted)) or not wanted.said else SPOKEN


def _seen(connection: Connection, candidates: Select[Any], viewer: Viewer, most: int) -> list[FoundCase]:
    """Return the newest of the candidates that the viewer sees.

    The candidates have an order, so a database makes them first. For all conditions at once it would guess too few
    rows, and then read all cases of a filter to sort them.
    """
    each = candidates.subquery()
    query = select(*(each.c[name] for name in FoundCase.__struct_fields__)).where(shows(viewer, each))
    query = query.order_by(each.c.created_at.desc(), each.c.id.desc()).limit(most)
    return [FoundCase(*row) for row in connection.execute(query)]


def _by_index(
    connection: Connection, wanted: Wanted, viewer: Viewer, before: Place | None, most: int
) -> list[FoundCase]:
    """Return the newest matches among all cases whose words the index knows."""
    words = and_(_indexed(connection, wanted.said), _contains(connection, wanted.said))
    filters = list(_filters(wanted))
    if filters:  # All open cases are new, for example.
        oldest = select(CASES.c.created_at).where(*filters, *_within(wanted, before, STORED))
        wanted = replace(wanted, since=connection.scalar(oldest.order_by(CASES.c.created_at).limit(1)))
    spoken = _newest(select(*SPOKEN).where(words, *_within(wanted, before, SPOKEN)), SPOKEN)
    hits = (spoken if filters else spoken.limit(2 * most)).subquery()
    cases = select(*COLUMNS).join(hits, hits.c.case_id == CASES.c.id).where(*filters)
    found = _seen(connection, _newest(cases), viewer, most)
    if filters or len(found) == most:
        return found
    end = connection.execute(spoken.offset(2 * most - 1).limit(1)).one_or_none()
    return found + _by_index(connection, wanted, viewer, (end[0], end[1]), most - len(found)) if end else found


def _newest(query: Select[Any], place: tuple[Column[Any], Column[Any]] = STORED) -> Select[Any]:
    return query.order_by(*(column.desc() for column in place))


def _filters(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on a row of CASES, without those on words and time."""
    for name in ("label", "speaker", "room", "verdict", "status", "severity", "language"):
        if values := getattr(wanted, name):
            yield _one_of(CASES.c[name], values)
    if wanted.policy:
        yield or_(*map(_of_policy, wanted.policy))
    if wanted.by:
        lately = () if wanted.since is None else (DECISIONS.c.at >= wanted.since - SKEW_SECONDS,)
        yield CASES.c.id.in_(select(DECISIONS.c.case_id).where(_standing(wanted.by), *lately))
    yield from map(_has, wanted.has)


def _within(
    wanted: Wanted, before: Place | None, place: tuple[Column[Any], Column[Any]]
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on time. `place` are the columns of the time and of the id of a case."""
    if wanted.since is not None:
        yield place[0] >= wanted.since
    if wanted.until is not None:
        yield place[0] < wanted.until
    if before is not None:
        yield tuple_(*place) < tuple_(*before)


def _standing(people: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition on a row of DECISIONS that one of these people made it, and that it is not undone."""
    return _one_of(DECISIONS.c.moderator, people) & DECISIONS.c.undone.is_(None)


def _of_policy(name: str) -> ColumnElement[bool]:
    """Return the condition for a policy by its name and version (`default@1a2b`), or by its name in all versions."""
    return CASES.c.policy == name if "@" in name else CASES.c.policy.startswith(f"{name}@", autoescape=True)


def _has(what: str) -> ColumnElement[bool]:
    conditions: Mapping[str, Callable[[], ColumnElement[bool]]] = {
        "audio": lambda: CASES.c.id.in_(select(EVIDENCE.c.case_id)),
        "hold": lambda: CASES.c.id.in_(holds.cases()),
        "report": lambda: CASES.c.policy == REPORTED,
        "appeal": lambda: CASES.c.id.in_(select(APPEALS.c.case_id)),
    }
    return conditions[what]()


def _contains(connection: Connection, said: Sequence[Sequence[str]]) -> ColumnElement[bool]:
    """Return the condition that the text has a phrase of each tuple."""
    place = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return and_(true(), *(or_(*(place(SAID.c.text, phrase) > 0 for phrase in phrases)) for phrases in said))


def _indexed(connection: Connection, said: Sequence[Sequence[str]]) -> ColumnElement[bool]:
    """Return the condition that the index gives: the grams of a phrase of each tuple are there."""
    postgres = connection.dialect.name == "postgresql"
    one = _tsquery if postgres else _fts5
    both, either = (" & ", " | ") if postgres else (" AND ", " OR ")
    asked = both.join(f"({either.join(one(needles(phrase)) for phrase in phrases)})" for phrases in said)
    if postgres:
        return SAID.c.grams.op("@@")(cast(asked, TSQUERY))
    return SAID.c.number.in_(select(INDEX.c.rowid).where(text("said_index MATCH :asked").bindparams(asked=asked)))


def _tsquery(grams: Needles) -> str:
    return "(" + " & ".join([*map("'{}'".format, grams.whole), *map("'{}':*".format, grams.beginnings)]) + ")"


def _fts5(grams: Needles) -> str:
    return "(" + " AND ".join([*map('"{}"'.format, grams.whole), *map('"{}" *'.format, grams.beginnings)]) + ")"


def _counted(found: Sequence[FoundCase], name: str) -> Mapping[str, int]:
    return Counter(str(value) for one in found if (value := getattr(one, name)) is not None)


def _kept(connection: Connection, found: Sequence[FoundCase]) -> Mapping[str, int]:
    among = CASES.c.id.in_(_listed(connection, [one.id for one in found]))
    counts = [select(func.count()).where(among, _has(what)).scalar_subquery() for what in KEPT]
    return dict(zip(KEPT, connection.execute(select(*counts)).one(), strict=True))


def _listed(connection: Connection, ids: Sequence[str]) -> Select[Any]:
    """Return a query for these ids. It has one parameter, because a thousand of them take longer than the query."""
    if connection.dialect.name == "postgresql":
        return select(func.unnest(cast(ids, ARRAY(String))).column_valued())
    return select(func.json_each(json.encode(ids).decode()).table_valued("value").c.value)


def _one_of(of: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition for one of the values. With an equation, SQLite reads the rows of an index in its order."""
    return of == values[0] if len(values) == 1 else of.in_(values)
