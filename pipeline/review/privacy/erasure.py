"""Erasing a speaker: every case of that voice, every clip in which it is heard, its name on reports.

Speech from before the request may still be on its way through the topics, and legal holds may stand against it. So a
request is kept, and carried out again by each run of the retention job, until neither is so; then it is forgotten, too.
"""

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from pipeline.errors import CaseError
from pipeline.review import audit
from pipeline.review.database import Database
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.privacy import forgetting, holds
from pipeline.review.privacy.pseudonym import pseudonym
from pipeline.review.tables.core import CASES
from pipeline.review.tables.quality import COPIES
from pipeline.review.tables.rights import ERASURES, REPORTS, VOICES
from pipeline.topology import TOPICS

REACH_SECONDS = 3_600.0 * max(topic.retention_hours for topic in TOPICS)
"""So long speech from before may come in again."""
BATCH = 50


class Request(Struct, frozen=True):
    speaker: str
    asked_by: str
    asked_at: float


class Erased(Struct, frozen=True):
    """What was deleted; `held` cases stay until their hold is released."""

    cases: int = 0
    clips: int = 0
    held: int = 0


def ask(connection: Connection, speaker: str, actor: str, at: float) -> Request:
    """Store a request; a second one for the same speaker reaches up to its own time."""
    if not speaker:
        raise CaseError("Whom to erase", "Give the speaker's id, as the app names it.")
    connection.execute(delete(ERASURES).where(ERASURES.c.speaker == speaker))
    connection.execute(insert(ERASURES).values(speaker=speaker, asked_by=actor, asked_at=at))
    audit.append(connection, at, actor, "erasure.ask", pseudonym(speaker))
    return Request(speaker, actor, at)


def requests(connection: Connection) -> list[Request]:
    """Oldest first."""
    rows = connection.execute(select(ERASURES).order_by(ERASURES.c.asked_at, ERASURES.c.speaker))
    return [Request(row.speaker, row.asked_by, row.asked_at) for row in rows]


def carry_out(database: Database, evidence: EvidenceStore, request: Request, actor: str, at: float) -> Erased:
    """Delete what there is, some cases in each transaction."""
    cases, clips = 0, 0
    while True:
        with database.write() as connection:
            found = _cases(connection, request)
            clips += sum(forgetting.case(connection, evidence, case) for case in found)
            for case in found:
                audit.append(connection, at, actor, "case.erase", case)
        cases += len(found)
        if not found:
            break
    with database.write() as connection:
        clips += _quiet(connection, evidence, request)
        held = _held(connection, request)
        if not held and at > request.asked_at + REACH_SECONDS:
            connection.execute(delete(ERASURES).where(ERASURES.c.speaker == request.speaker))
        if cases or clips:
            detail = {"cases": cases, "clips": clips, "held": held}
            audit.append(connection, at, actor, "erasure.done", pseudonym(request.speaker), detail)
    return Erased(cases, clips, held)


def _cases(connection: Connection, request: Request) -> list[str]:
    query = (
        select(CASES.c.id)
        .where(CASES.c.speaker == request.speaker, ~holds.held())
        # A copy of an older case may be set to a later time.
        .where(or_(CASES.c.start <= request.asked_at, CASES.c.id.in_(COPIES)))
        .limit(BATCH)
        .with_for_update()
    )
    return list(connection.scalars(query))


def _quiet(connection: Connection, evidence: EvidenceStore, request: Request) -> int:
    """What is left in cases of others: the clips of rooms in which the speaker is heard, and the name on reports."""
    heard = (
        select(CASES.c.id)
        .join(VOICES, VOICES.c.case_id == CASES.c.id)
        .where(VOICES.c.speaker == request.speaker, CASES.c.start <= request.asked_at, ~holds.held())
    )
    clips = sum(forgetting.audio(connection, evidence, case) for case in connection.scalars(heard).all())
    free = REPORTS.c.case_id.in_(select(CASES.c.id).where(~holds.held()))
    connection.execute(update(REPORTS).where(_reported(request), free).values(reporter=""))
    return clips


def _held(connection: Connection, request: Request) -> int:
    heard = CASES.c.id.in_(select(VOICES.c.case_id).where(VOICES.c.speaker == request.speaker))
    theirs = or_(CASES.c.speaker == request.speaker, heard) & (CASES.c.start <= request.asked_at)
    reported = CASES.c.id.in_(select(REPORTS.c.case_id).where(_reported(request)))
    query = select(CASES.c.id).where(or_(theirs, reported), holds.held())
    return len(connection.scalars(query).all())


def _reported(request: Request) -> ColumnElement[bool]:
    """Of REPORTS: it bears the speaker's name as its reporter's."""
    return and_(REPORTS.c.reporter == request.speaker, REPORTS.c.created_at <= request.asked_at)
