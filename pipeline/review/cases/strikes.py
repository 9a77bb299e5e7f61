"""Strikes: how often a speaker broke the rules. A strike is a case with a standing decision to uphold.

Speech counts once: cases of the same room that overlap in time are one strike, for example a flag and a report of the
same words. Copies for checks and speech of drills make no strike. An undo, an overturned appeal and a correction take
the strike back, because only the verdict that stands counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select

from pipeline.contract.messages import Action
from pipeline.review.cases.values import WHOLE_ROOM, Case
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.review.tables.quality import COPIES

REPEAT_SECONDS = 0.5
"""Seconds that two utterances may share. An utterance that was cut for its length is repeated by so much."""


class Strike(Struct, frozen=True):
    """A strike. `at` is when its case was stored (UTC seconds)."""

    case: str
    at: float
    label: str
    action: Action | None
    duration_seconds: float | None


def count_strikes(connection: Connection, speakers: Collection[str], since: float) -> dict[str, int]:
    """Count the strikes of each of these speakers since `since` (UTC seconds). A speaker without one is left out."""
    found = connection.execute(_upheld(set(speakers) - {WHOLE_ROOM}, since))
    return {speaker: len(rows) for speaker, rows in _by_speaker(_once(found)).items()}


def strikes_before(connection: Connection, case: Case, kin: Collection[str], since: float) -> list[Strike]:
    """Return the strikes of the case's speaker since `since` (UTC seconds) for other speech, oldest first.

    `kin` are the ids of the case and of its copies.
    """
    if case.speaker == WHOLE_ROOM:
        return []
    query = _upheld([case.speaker], since).where(CASES.c.id.not_in(kin))
    others = [row for row in _once(connection.execute(query)) if not _same(row, case)]
    given = _given(connection, [row.id for row in others])
    found = [_strike(row, given[row.id]) for row in others]
    return sorted(found, key=lambda strike: (strike.at, strike.case))


def _strike(case: Row[Any], given: Row[Any]) -> Strike:
    return Strike(case.id, case.created_at, given.label or case.label, given.action, given.duration_seconds)


def _upheld(speakers: Collection[str], since: float) -> Select[Any]:
    columns = (CASES.c.id, CASES.c.speaker, CASES.c.room, CASES.c.start, CASES.c.end, CASES.c.label)
    return (
        select(*columns, CASES.c.created_at)
        .where(CASES.c.speaker.in_(speakers), CASES.c.verdict == "uphold", CASES.c.created_at >= since)
        .where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))
        .order_by(CASES.c.speaker, CASES.c.room, CASES.c.start, CASES.c.id)
    )


def _once(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Leave out each case that overlaps the speech of the case before. The rows are in the order of `_upheld`."""
    kept: list[Row[Any]] = []
    reached = 0.0
    for row in rows:
        same = kept and (kept[-1].speaker, kept[-1].room) == (row.speaker, row.room)
        if not same or row.start >= reached - REPEAT_SECONDS:
            kept.append(row)
            reached = row.end
        reached = max(reached, row.end)
    return kept


def _same(row: Row[Any], case: Case) -> bool:
    return bool(
        row.room == case.room and row.start < case.end - REPEAT_SECONDS and case.start < row.end - REPEAT_SECONDS
    )


def _by_speaker(rows: Iterable[Row[Any]]) -> Mapping[str, list[Row[Any]]]:
    groups: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[row.speaker].append(row)
    return groups


def _given(connection: Connection, cases: Collection[str]) -> Mapping[str, Row[Any]]:
    """Return what the standing decision of each case gave."""
    query: Select[Any] = (
        select(DECISIONS.c.case_id, DECISIONS.c.label, DECISIONS.c.action, DECISIONS.c.duration_seconds)
        .where(DECISIONS.c.case_id.in_(cases), DECISIONS.c.undone.is_(None))
        .order_by(DECISIONS.c.at, DECISIONS.c.id)
    )
    return {row.case_id: row for row in connection.execute(query)}
