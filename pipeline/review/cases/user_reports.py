"""Users' reports about a speaker or a room. Each function runs in a transaction that the caller opened.

A report opens a case about the last minutes of that speaker, or of all speakers in the room. Further reports about the
same minutes join the case until it is decided, so fifty reports are one piece of work. The case ends at the latest
report's moment and has the highest severity of all reports. The deliver stage can still read the utterances, and adds
the clip some seconds later (`pipeline/review/evidence/clip_cutting.py`).
"""

import uuid
from collections.abc import Collection
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, insert, select, update

from pipeline.contract.messages import NAMESPACE
from pipeline.review import audit_log
from pipeline.review.cases import reading
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import OPEN, REPORTED, WHOLE_ROOM, Case, columns
from pipeline.review.cases.storing import lock_speakers
from pipeline.review.database import fields_of
from pipeline.review.quality import quality_checks
from pipeline.review.search import case_words
from pipeline.review.tables.case_tables import REPORTS, VOICES
from pipeline.review.tables.core import CASES

Audio = Literal["waiting", "kept", "gone", "shared"]
"""State of a report's clip: `shared` means that the clip of an earlier report covers this report's moment, too."""

BATCH = 20
SECONDS = 180.0
"""Audio kept from before the moment that a person reports: reports come minutes after what they are about."""
LONGEST = 540.0
"""Seconds that a case may last, however many reports join it. One clip can hold it."""


class Complaint(Struct, frozen=True, kw_only=True):
    """A report as the app sends it. An empty speaker means the whole room.

    `at` is the moment that the report is about, in UTC seconds.
    """

    room: str
    speaker: str = WHOLE_ROOM
    reporter: str = ""
    label: str = ""
    text: str = ""
    at: float

    @property
    def id(self) -> str:
        """An id made from the content: the same complaint sent twice has the same id."""
        parts = (self.room, self.speaker, self.reporter, self.label, self.text, repr(self.at))
        return str(uuid.uuid5(NAMESPACE, "\x1f".join(("report", *parts))))


class Report(Complaint, frozen=True, kw_only=True):
    """A stored report, with its case and the state of its clip."""

    id: str
    case: str
    created_at: float
    audio: Audio = "waiting"


def file(
    connection: Connection, complaint: Complaint, at: float, ranking: Ranking, seconds: float = SECONDS
) -> tuple[Report, bool]:
    """Store a complaint. Return the report, and whether it is new.

    If no open case fits, this opens a case. It covers the `seconds` before the time that the complaint is about.
    """
    # Fifty people report at once: the lock makes their reports join one case, and the same report counts once.
    lock_speakers(connection, [(complaint.room, complaint.speaker)])
    if known := _reports(connection, select(REPORTS).where(REPORTS.c.id == complaint.id)):
        return known[0], False
    known_case = _open_case(connection, complaint, seconds)
    case = known_case.id if known_case else _open(connection, complaint, at, ranking, seconds)
    audio = _join(connection, known_case, complaint, ranking) if known_case else "waiting"
    report = Report(**msgspec.structs.asdict(complaint), id=complaint.id, case=case, created_at=at, audio=audio)
    connection.execute(insert(REPORTS).values(columns(report)))
    audit_log.append(connection, at, "app", "report.file", case, {"report": report.id, "label": report.label})
    return report, True


def of_case(connection: Connection, case: str) -> list[Report]:
    """Return the reports of a case, oldest first. For a second-opinion copy, return the reports of its original."""
    return of_original(connection, quality_checks.family(connection, case)[0])


def of_original(connection: Connection, case: str) -> list[Report]:
    """Return the reports of a case that is no copy, oldest first."""
    query = select(REPORTS).where(REPORTS.c.case_id == case)
    return _reports(connection, query.order_by(REPORTS.c.created_at, REPORTS.c.id))


def awaiting_clip(connection: Connection, before: float, limit: int = BATCH) -> list[Report]:
    """Return reports stored before `before` (UTC seconds) that still wait for their clip, oldest first."""
    query = select(REPORTS).where(REPORTS.c.audio == "waiting", REPORTS.c.created_at <= before)
    return _reports(connection, query.order_by(REPORTS.c.created_at).limit(limit))


def finish_search(connection: Connection, report: Report, voices: Collection[str]) -> None:
    """Record that the search for the report's clip is over, and the speakers that are in the clip.

    No `voices` means that the audio was already gone.
    """
    audio: Audio = "kept" if voices else "gone"
    # Cases come first in the order of locks. An erasure of the case waits.
    reading.locked(connection, [report.case])
    if not connection.execute(update(REPORTS).where(REPORTS.c.id == report.id).values(audio=audio)).rowcount:
        return  # an erasure has deleted the report meanwhile
    known = set(connection.scalars(select(VOICES.c.speaker).where(VOICES.c.case_id == report.case)))
    for speaker in sorted(set(voices) - known):
        connection.execute(insert(VOICES).values(case_id=report.case, speaker=speaker))


def _open_case(connection: Connection, complaint: Complaint, seconds: float) -> Case | None:
    """Return, locked, the open case of earlier reports about the same minutes; None if there is none.

    The limit counts from the start of the case, which never moves. So many reports, each a little later than the one
    before, cannot make an endless clip.
    """
    longest = min(2 * seconds, LONGEST)
    query = (
        select(CASES)
        .where(CASES.c.room == complaint.room, CASES.c.speaker == complaint.speaker)
        .where(CASES.c.policy == REPORTED, CASES.c.status.in_(OPEN))
        .where(CASES.c.start >= complaint.at - longest, CASES.c.start <= complaint.at)
        .order_by(CASES.c.created_at)
        .limit(1)
        .with_for_update()
    )
    row = connection.execute(query).first()
    return reading.case_of(row) if row else None


def _join(connection: Connection, case: Case, complaint: Complaint, ranking: Ranking) -> Audio:
    """Extend the case to the complaint's moment and raise its severity; return the state of the complaint's clip."""
    change: dict[str, Any] = {}
    # The deadline of the higher severity counts from the first report.
    placed = ranking.place(complaint.label, ranking.of_label(complaint.label), ranking.since(case))
    if placed["rank"] < case.rank:
        change = {"label": complaint.label, **placed}
    if complaint.at > case.end:
        change["end"] = complaint.at
    if change:
        # The new version makes the moderator who holds the case look again before they decide.
        grown = update(CASES).where(CASES.c.id == case.id)
        connection.execute(grown.values(change | {"version": case.version + 1}))
    return "waiting" if "end" in change else "shared"


def _open(connection: Connection, complaint: Complaint, at: float, ranking: Ranking, seconds: float) -> str:
    made: dict[str, Any] = {
        "id": str(uuid.uuid5(NAMESPACE, f"case\x1f{complaint.id}")),
        "room": complaint.room,
        "speaker": complaint.speaker,
        "room_type": "default",  # the app names none in a report
        "start": max(0.0, complaint.at - seconds),
        "end": complaint.at,
        "label": complaint.label,
        "suggestion": "review",
        "risk": 0.0,
        "language": "",
        # A case's text is the transcript. The reporter's words are not the speaker's.
        "text": "",
        "hits": [],
        "policy": REPORTED,
        "status": "pending",
        "version": 1,
        "created_at": at,
    }
    severity = ranking.of_label(complaint.label)
    connection.execute(insert(CASES).values(made | ranking.place(complaint.label, severity, at)))
    case_words.store_words(connection, str(made["id"]), at, [])
    return str(made["id"])


def _reports(connection: Connection, query: Select[Any]) -> list[Report]:
    rows = [fields_of(row) for row in connection.execute(query)]
    return [msgspec.convert(row | {"case": row["case_id"]}, Report) for row in rows]
