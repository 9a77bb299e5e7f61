"""What a list of cases and the pages of a speaker and of a room show beside the cases.

A list has flags, decisions, clips and open appeals, all read at once. The pages have appeals, and who else was flagged
at the same time. Each function reads in a transaction that the caller opened. Those with a `viewer` leave out the cases
that the viewer does not see.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, func, select

from pipeline.contract.messages import Decision, Flag
from pipeline.review.cases import appeals, reading, speaker_measures, user_reports
from pipeline.review.cases.appeals import Appeal
from pipeline.review.cases.case_values import REPORTED, WHOLE_ROOM, Case, Evidence
from pipeline.review.cases.user_reports import Report
from pipeline.review.evidence.clip_player import offset_of
from pipeline.review.search.finding import FoundCase, Viewer, shows
from pipeline.review.tables.case_tables import APPEALS
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS


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
    return {clip.case: clip for clip in reading.evidence_of(connection, query)}  # the longest is the last


def _flags(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[Flag]]:
    found: dict[str, list[Flag]] = defaultdict(list)
    query = select(FLAGS).where(FLAGS.c.case_id.in_(ids)).order_by(FLAGS.c.risk.desc(), FLAGS.c.start, FLAGS.c.id)
    for row in connection.execute(query):
        found[row.case_id].append(reading.flag_of(row))
    return found


def _decisions(connection: Connection, ids: Sequence[str]) -> Mapping[str, Decision]:
    query = select(DECISIONS).where(DECISIONS.c.case_id.in_(ids), DECISIONS.c.undone.is_(None))
    query = query.order_by(DECISIONS.c.at, DECISIONS.c.id)
    return {one.case: one for one in reading.decisions_of(connection, query)}  # the newest is the last


STRIP_DAYS = 30
STRIP_SECONDS = STRIP_DAYS * 86_400.0
MOST_FLAGS = 400
"""The most flags of a timeline."""
MOST = 20
"""The most rooms, speakers, appeals and reports of a page."""


class Spoken(Struct, frozen=True):
    """Flagged speech on a timeline, with its case and the severity of the case.

    `part` is its part of the clip in seconds; None if no clip is kept.
    """

    flag: Flag
    case: str
    severity: int
    part: tuple[float, float] | None


class Company(Struct, frozen=True):
    """A room of a speaker, or a speaker in a room: number of cases, when the newest was stored, and strikes."""

    id: str
    cases: int
    last: float
    strikes: int = 0


def recent(found: Sequence[FoundCase], at: float) -> list[FoundCase]:
    """Return the cases of the last STRIP_DAYS days, oldest first."""
    return [one for one in reversed(found) if one.created_at >= at - STRIP_SECONDS]


def timeline(connection: Connection, room: str, start: float, end: float, viewer: Viewer) -> dict[str, list[Spoken]]:
    """Return the flagged speech in a room between two times (UTC seconds), by speaker, in the order of speaking."""
    query = (
        select(FLAGS, CASES.c.severity)
        .join(CASES, CASES.c.id == FLAGS.c.case_id)
        .where(FLAGS.c.room == room, FLAGS.c.start < end, FLAGS.c.start >= start, shows(viewer))
        .order_by(FLAGS.c.start, FLAGS.c.id)
        .limit(MOST_FLAGS)
    )
    rows = connection.execute(query).all()
    clips = clips_of(connection, sorted({row.case_id for row in rows}))
    lanes: dict[str, list[Spoken]] = defaultdict(list)
    for row in rows:
        flag, clip = reading.flag_of(row), clips.get(row.case_id)
        first, last = (offset_of(clip.timeline, at) if clip else None for at in (flag.start, flag.end))
        # Speech that goes on after the clip ends with the clip.
        part = None if clip is None or first is None else (first, clip.seconds if last is None else last)
        lanes[flag.speaker].append(Spoken(flag, row.case_id, row.severity, part))
    return dict(lanes)


def last_spoken(connection: Connection, viewer: Viewer, *, speaker: str = "", room: str = "") -> Flag | None:
    """Return the newest flagged speech of a speaker or in a room; None if there is none."""
    whose = CASES.c.speaker == speaker if speaker else CASES.c.room == room
    newest = select(CASES.c.id).where(whose, shows(viewer), CASES.c.policy != REPORTED)
    case = connection.scalar(newest.order_by(CASES.c.created_at.desc(), CASES.c.id.desc()).limit(1))
    flags = reading.flags(connection, case) if case else ()
    return flags[-1] if flags else None


def rooms_of(connection: Connection, speaker: str, viewer: Viewer) -> list[Company]:
    """Return the rooms in which the speaker has cases, newest first."""
    last = func.max(CASES.c.created_at)
    query = select(CASES.c.room, func.count(), last).where(CASES.c.speaker == speaker, shows(viewer))
    rows = connection.execute(query.group_by(CASES.c.room).order_by(last.desc()).limit(MOST))
    return [Company(*row) for row in rows]


def speakers_of(connection: Connection, room: str, since: float, strikes_since: float, viewer: Viewer) -> list[Company]:
    """Return the speakers who have cases in the room that were stored since then (UTC seconds), newest first.

    Their strikes count since `strikes_since`.
    """
    last = func.max(CASES.c.created_at)
    theirs = (CASES.c.room == room, CASES.c.created_at >= since, CASES.c.speaker != WHOLE_ROOM, shows(viewer))
    query = select(CASES.c.speaker, func.count(), last).where(*theirs).group_by(CASES.c.speaker)
    rows = connection.execute(query.order_by(last.desc()).limit(MOST)).all()
    counts = speaker_measures.count_strikes(connection, {row.speaker for row in rows}, strikes_since)
    return [Company(row.speaker, row[1], row[2], counts.get(row.speaker, 0)) for row in rows]


def appeals_of(connection: Connection, speaker: str, viewer: Viewer) -> list[Appeal]:
    """Return the speaker's appeals, newest first."""
    last = func.max(APPEALS.c.created_at)
    query = (
        select(APPEALS.c.case_id)
        .join(CASES, CASES.c.id == APPEALS.c.case_id)
        .where(CASES.c.speaker == speaker, shows(viewer))
        .group_by(APPEALS.c.case_id)
        .order_by(last.desc())
        .limit(MOST)
    )
    cases = connection.scalars(query).all()
    return [appeal for case in cases for appeal in reversed(appeals.of_case(connection, case))]


def reports_in(connection: Connection, room: str, viewer: Viewer) -> list[Report]:
    """Return users' reports about speakers in the room or about all of it, newest case first."""
    cases = select(CASES.c.id).where(CASES.c.room == room, CASES.c.policy == REPORTED, shows(viewer))
    newest = connection.scalars(cases.order_by(CASES.c.created_at.desc()).limit(MOST)).all()
    return [report for case in newest for report in user_reports.of_case(connection, case)][:MOST]
