"""What a list of cases shows beside the cases: flags, decisions, clips, open appeals. All are read at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, select

from pipeline.contract.messages import Decision, Flag
from pipeline.review.appeals import appeals
from pipeline.review.cases import reading
from pipeline.review.cases.values import Case, Evidence
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS
from pipeline.review.tables.rights import APPEALS


class ListedCase(Struct, frozen=True, kw_only=True):
    """A case with its flags, worst first, the decision that holds, its longest clip, and whether an appeal waits."""

    case: Case
    flags: tuple[Flag, ...]
    decision: Decision | None
    clip: Evidence | None
    appealed: bool


def list_cases(connection: Connection, ids: Sequence[str]) -> list[ListedCase]:
    """Return the cases with these ids, in this order. A case that is gone meanwhile is left out."""
    cases = {row.id: reading.case_of(row) for row in connection.execute(select(CASES).where(CASES.c.id.in_(ids)))}
    flags, decisions, clips = _flags(connection, ids), _decisions(connection, ids), clips_of(connection, ids)
    waiting: set[str] = set(connection.scalars(appeals.open_cases().where(APPEALS.c.case_id.in_(ids))))
    return [
        ListedCase(
            case=cases[one],
            flags=tuple(flags[one]),
            decision=decisions.get(one),
            clip=clips.get(one),
            appealed=one in waiting,
        )
        for one in ids
        if one in cases
    ]


def clips_of(connection: Connection, ids: Sequence[str]) -> Mapping[str, Evidence]:
    """Return the longest clip of each of these cases that has one, by case."""
    query = select(EVIDENCE).where(EVIDENCE.c.case_id.in_(ids)).order_by(EVIDENCE.c.seconds, EVIDENCE.c.path.desc())
    return {clip.case: clip for clip in reading.evidence_of(connection, query)}


def _flags(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[Flag]]:
    found: dict[str, list[Flag]] = defaultdict(list)
    query = select(FLAGS).where(FLAGS.c.case_id.in_(ids)).order_by(FLAGS.c.risk.desc(), FLAGS.c.start, FLAGS.c.id)
    for row in connection.execute(query):
        found[row.case_id].append(reading.flag_of(row))
    return found


def _decisions(connection: Connection, ids: Sequence[str]) -> Mapping[str, Decision]:
    query = select(DECISIONS).where(DECISIONS.c.case_id.in_(ids), DECISIONS.c.undone.is_(None))
    return {one.case: one for one in reading.decisions_of(connection, query.order_by(DECISIONS.c.at, DECISIONS.c.id))}
