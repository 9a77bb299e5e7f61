"""Searches the cases, newest first. The caller opens the connection.

A frequent word is in so many cases that the index would be slow: it knows all of them, but not which are new. So the
search looks at the newest cases first, at more of them if it has not found enough, and at all cases in the end. The
first step reads the words themselves, the others ask the index. Each step reads some ten thousand rows at most, unless
a frequent word meets a rare filter.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct, json
from msgspec.structs import replace
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
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
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from pipeline.review.cases import duty
from pipeline.review.cases.queue import Without
from pipeline.review.cases.values import REPORTED
from pipeline.review.privacy import holds
from pipeline.review.search.grams import Needles, needles
from pipeline.review.search.plan import Wanted
from pipeline.review.search.query import Field
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE
from pipeline.review.tables.quality import CHECKS, COPIES, WAITING
from pipeline.review.tables.rights import APPEALS
from pipeline.review.tables.search import SAID

PAGE = 50
COUNTED = 1_000
"""Matches are counted up to this number."""
FEW = 2_000
"""A word in fewer cases is searched in all of them at once."""
STEPS: tuple[int | None, ...] = (5_000, 50_000, 200_000, None)
"""How many of the newest cases each step looks at; None: all."""

FACETS: tuple[Field, ...] = ("status", "verdict", "severity", "language", "has")
KEPT = ("audio", "hold")
"""The values of `has` that are counted."""

INDEX = table("said_index", column("rowid"))
"""The full-text index of SQLite."""

Place = tuple[float, str]
"""The place of a case in the results: when it was stored (UTC seconds), and its id.

In the order `risk`, it is minus the risk, and the id.
"""


class Viewer(Struct, frozen=True):
    """Whoever searches. `without` are the cases that they do not get, and `users` the ids of their person in the app.

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


def find(
    connection: Connection, wanted: Wanted, viewer: Viewer, before: Place | None = None, most: int = COUNTED
) -> list[FoundCase]:
    """Return the newest matches, at most `most`. For the next page, give the `place` of the last one as `before`."""
    query = _matches(wanted, viewer, before).limit(most)
    if not wanted.said:
        return _rows(connection, query)
    read = and_(*(_contains(connection, phrases) for phrases in wanted.said))
    indexed = _indexed(connection, wanted.said)
    if _rare(connection, indexed):
        return _rows(connection, _joined(query, read & indexed, None))
    found: list[FoundCase] = []
    for number, step in enumerate(STEPS):
        floor = _floor(connection, wanted, before, step)
        words = read if number == 0 and floor is not None else read & indexed
        found = _rows(connection, _joined(query, words, floor))
        if floor is None or len(found) >= most:
            break
    return found


def ordered(found: Sequence[FoundCase], order: str) -> list[FoundCase]:
    """Return matches in the order `oldest` or `risk`: highest first. In the order `newest` they are found."""
    return sorted(found, key=ORDERS[order]) if order in ORDERS else list(found)


def facets(
    connection: Connection, wanted: Wanted, viewer: Viewer, found: Sequence[FoundCase]
) -> dict[str, Mapping[str, int]]:
    """Count the matches by status, verdict, severity, language, and by what is kept. `found` are those of `wanted`.

    A filter does not limit the counts of its own facet, so that a person sees what the other values would give.
    """
    counts: dict[str, Mapping[str, int]] = {}
    for name in FACETS:
        among = found
        if name != "has" and getattr(wanted, name):
            among = find(connection, replace(wanted, **{name: ()}), viewer)
        counts[name] = _kept(connection, among) if name == "has" else _counted(among, name)
    return counts


def shows(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition on a row of CASES that search and the pages of speakers and rooms show it to `viewer`.

    Copies for checks are never shown, and neither are cases in which the viewer has a part.
    """
    conditions: list[ColumnElement[bool]] = [CASES.c.id.not_in(COPIES)]
    if not viewer.checked:
        theirs = select(CHECKS.c.original).where(WAITING, CHECKS.c.original.is_not(None))
        conditions.append(CASES.c.id.not_in(theirs))
    if viewer.users:
        conditions.append(~duty.involves(viewer.users))
    if viewer.without.cases:
        conditions.append(CASES.c.id.not_in(viewer.without.cases))
    if viewer.without.labels:
        conditions.append(CASES.c.label.not_in(viewer.without.labels))
    if viewer.without.severity is not None:
        conditions.append(CASES.c.severity < viewer.without.severity)
    return and_(*conditions)


def _matches(wanted: Wanted, viewer: Viewer, before: Place | None) -> Select[Any]:
    """Return the query for all matches, newest first, without the condition on words."""
    columns = (CASES.c[name] for name in FoundCase.__struct_fields__)
    query = select(*columns).where(shows(viewer)).order_by(CASES.c.created_at.desc(), CASES.c.id.desc())
    for name in ("label", "speaker", "room", "verdict", "status", "severity", "language"):
        if values := getattr(wanted, name):
            query = query.where(_one_of(CASES.c[name], values))
    if wanted.policy:
        query = query.where(or_(*map(_of_policy, wanted.policy)))
    if wanted.by:
        standing = _one_of(DECISIONS.c.moderator, wanted.by) & DECISIONS.c.undone.is_(None)
        query = query.where(CASES.c.id.in_(select(DECISIONS.c.case_id).where(standing)))
    query = query.where(*map(_has, wanted.has))
    if wanted.since is not None:
        query = query.where(CASES.c.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(CASES.c.created_at < wanted.until)
    return query if before is None else query.where(tuple_(CASES.c.created_at, CASES.c.id) < tuple_(*before))


def _of_policy(name: str) -> ColumnElement[bool]:
    """Return the condition for a policy by its name and version (`default@1a2b`), or by its name in all versions."""
    return CASES.c.policy == name if "@" in name else CASES.c.policy.startswith(f"{name}@", autoescape=True)


def _has(what: str) -> ColumnElement[bool]:
    conditions: Mapping[str, Callable[[], ColumnElement[bool]]] = {
        "audio": lambda: CASES.c.id.in_(select(EVIDENCE.c.case_id)),
        "hold": holds.held,
        "report": lambda: CASES.c.policy == REPORTED,
        "appeal": lambda: CASES.c.id.in_(select(APPEALS.c.case_id)),
    }
    return conditions[what]()


def _contains(connection: Connection, phrases: Collection[str]) -> ColumnElement[bool]:
    place = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return or_(*(place(SAID.c.text, phrase) > 0 for phrase in phrases))


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


def _floor(connection: Connection, wanted: Wanted, before: Place | None, step: int | None) -> float | None:
    """Return when the oldest of the `step` newest cases was stored (UTC seconds); None: there are no more cases."""
    if step is None:
        return None
    tops = [top for top in (wanted.until, before and before[0]) if top is not None]
    query = select(SAID.c.created_at).order_by(SAID.c.created_at.desc()).offset(step).limit(1)
    found = connection.scalar(query.where(SAID.c.created_at <= min(tops)) if tops else query)
    return None if found is None or (wanted.since is not None and found <= wanted.since) else float(found)


def _rare(connection: Connection, indexed: ColumnElement[bool]) -> bool:
    """Tell whether the index knows so few cases that all of them can be read."""
    some = select(SAID.c.number).where(indexed).limit(FEW).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() < FEW


def _joined(query: Select[Any], words: ColumnElement[bool], floor: float | None) -> Select[Any]:
    """Join the query for cases with that for words. With a `floor`, only cases stored since then."""
    near = select(SAID.c.case_id).where(words)
    if floor is not None:
        query, near = query.where(CASES.c.created_at >= floor), near.where(SAID.c.created_at >= floor)
    said = near.subquery()
    return query.join(said, said.c.case_id == CASES.c.id)


def _rows(connection: Connection, query: Select[Any]) -> list[FoundCase]:
    return [FoundCase(*row) for row in connection.execute(query)]


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
