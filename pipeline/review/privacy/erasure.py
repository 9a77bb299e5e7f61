"""Erasure of a speaker: all cases about them, all clips with their voice, and their id as reporter.

Earlier speech may still be in the topics, and legal holds may block the erasure of a case. So the request is stored,
and each run of the retention job carries it out again. When no earlier speech can arrive and no hold blocks it, the
job deletes the request, too.
"""

import math

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from pipeline.base.errors import CaseError
from pipeline.review import audit_log
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases import reading
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.privacy import holds
from pipeline.review.search import case_words
from pipeline.review.tables import METADATA
from pipeline.review.tables.case_tables import AWAITED_CLIPS, CHECKS, COPIES, ERASURES, REPORTS, VOICES
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS, OUTBOX

BATCH = 50


class ErasureRequest(Struct, frozen=True):
    """A stored request to erase a speaker. `asked_at` is UTC seconds."""

    speaker: str
    asked_by: str
    asked_at: float


class Erased(Struct, frozen=True):
    """Numbers of deleted cases and clips. `held` counts the cases that stay until their legal hold is released."""

    cases: int = 0
    clips: int = 0
    held: int = 0


def ask_erasure(connection: Connection, speaker: str, actor: str, at: float) -> ErasureRequest:
    """Store a request to erase all speech of a speaker up to `at` (UTC seconds).

    A second request for the same speaker replaces the first. Raises CaseError if `speaker` is empty.
    """
    if not speaker.strip():
        raise CaseError("The erasure names no speaker", "Give the speaker's id that the app uses.", text="no_speaker")
    connection.execute(delete(ERASURES).where(ERASURES.c.speaker == speaker))
    connection.execute(insert(ERASURES).values(speaker=speaker, asked_by=actor, asked_at=at))
    audit_log.append(connection, at, actor, "erasure.ask", pseudonym(speaker))
    return ErasureRequest(speaker, actor, at)


def requests(connection: Connection) -> list[ErasureRequest]:
    """Return the stored requests, oldest first."""
    rows = connection.execute(select(ERASURES).order_by(ERASURES.c.asked_at, ERASURES.c.speaker))
    return [ErasureRequest(row.speaker, row.asked_by, row.asked_at) for row in rows]


def carry_out(
    database: Database, evidence: EvidenceStore, request: ErasureRequest, actor: str, at: float, kept: float = math.inf
) -> Erased:
    """Delete all data that the request covers, up to BATCH cases in each transaction.

    Kafka keeps speech for `kept` seconds: after that time the request itself is deleted.
    """
    cases, clips = 0, 0
    while True:
        with database.write() as connection:
            found = _cases(connection, request)
            clips += sum(delete_case(connection, evidence, case) for case in found)
            for case in found:
                audit_log.append(connection, at, actor, "case.erase", case)
        cases += len(found)
        if not found:
            break
    with database.write() as connection:
        if cases:
            case_words.compact(connection)
        silenced = _erase_traces(connection, evidence, request)
        clips += sum(silenced.values())
        held = _held(connection, request)
        if not held and at > request.asked_at + kept:
            connection.execute(delete(ERASURES).where(ERASURES.c.speaker == request.speaker))
        if cases or clips:
            detail = {"cases": cases, "clips": clips, "held": held}
            for case in silenced:
                audit_log.append(connection, at, actor, "audio.erase", case)
            audit_log.append(connection, at, actor, "erasure.done", pseudonym(request.speaker), detail)
    # After the commit, because the deleted words stand in SQLite's log until then.
    database.scrub()
    return Erased(cases, clips, held)


def _cases(connection: Connection, request: ErasureRequest) -> list[str]:
    query = select(CASES.c.id).where(_theirs(request), ~holds.held()).order_by(CASES.c.id).limit(BATCH)
    # No SKIP LOCKED as in retention: an erasure waits for a locked case and leaves none out.
    return list(connection.scalars(query.with_for_update()))


def _erase_traces(connection: Connection, evidence: EvidenceStore, request: ErasureRequest) -> dict[str, int]:
    """Delete the speaker's traces in other cases. Return the number of deleted clips of each case that had some.

    The traces are clips of rooms with the speaker's voice, and the speaker's id as reporter.
    """
    with_voice = (
        select(CASES.c.id)
        .join(VOICES, VOICES.c.case_id == CASES.c.id)
        .where(VOICES.c.speaker == request.speaker, CASES.c.start <= request.asked_at, ~holds.held())
    )
    found = reading.locked(connection, connection.scalars(with_voice).all())
    clips = {case: n for case in found if (n := delete_audio(connection, evidence, case))}
    free = REPORTS.c.case_id.in_(select(CASES.c.id).where(~holds.held()))
    connection.execute(update(REPORTS).where(_reported(request), free).values(reporter=""))
    return clips


def _held(connection: Connection, request: ErasureRequest) -> int:
    with_voice = CASES.c.id.in_(select(VOICES.c.case_id).where(VOICES.c.speaker == request.speaker))
    present = and_(with_voice, CASES.c.start <= request.asked_at)
    reported = CASES.c.id.in_(select(REPORTS.c.case_id).where(_reported(request)))
    query = select(CASES.c.id).where(or_(_theirs(request), present, reported), holds.held())
    return len(connection.scalars(query).all())


def _theirs(request: ErasureRequest) -> ColumnElement[bool]:
    """Return the condition on a row of CASES that it is about speech that the request covers."""
    # A copy has a time of its own, so the time of its original counts. Without an original, every copy goes.
    original = CASES.alias("original")
    copies = COPIES.outerjoin(original, original.c.id == CHECKS.c.original)
    old = copies.where(or_(original.c.id.is_(None), original.c.start <= request.asked_at))
    own = and_(CASES.c.start <= request.asked_at, CASES.c.id.not_in(COPIES))
    return and_(CASES.c.speaker == request.speaker, or_(own, CASES.c.id.in_(old)))


def _reported(request: ErasureRequest) -> ColumnElement[bool]:
    """Return the condition on a row of REPORTS that the speaker is its reporter."""
    return and_(REPORTS.c.reporter == request.speaker, REPORTS.c.created_at <= request.asked_at)


def delete_audio(connection: Connection, evidence: EvidenceStore, case: str) -> int:
    """Delete the clips of a case in the caller's transaction, and return their number."""
    clips = reading.evidence(connection, case)
    # The files go before the rows. After a crash, the next run finds the rows and deletes again: no clip stays alone.
    for clip in clips:
        evidence.remove(clip.path)
    for table in (EVIDENCE, VOICES, AWAITED_CLIPS):
        connection.execute(delete(table).where(table.c.case_id == case))
    unheard = REPORTS.c.audio.in_(("waiting", "kept"))
    connection.execute(update(REPORTS).where(REPORTS.c.case_id == case, unheard).values(audio="gone"))
    return len(clips)


def delete_case(connection: Connection, evidence: EvidenceStore, identity: str) -> int:
    """Delete a case with its clips and all rows about it in all tables. Return the number of deleted clips."""
    clips = delete_audio(connection, evidence, identity)
    for table in (DECISIONS, FLAGS):
        theirs = select(table.c.id).where(table.c.case_id == identity)
        # The outbox has no foreign key, because an event may outlive its decision. Its payload names the speaker.
        connection.execute(delete(OUTBOX).where(OUTBOX.c.about.in_(theirs)))
    for table in reversed(METADATA.sorted_tables):  # reversed: a table comes before the tables that it refers to
        for key in (key for key in table.foreign_keys if key.column is CASES.c.id):
            connection.execute(delete(table).where(key.parent == identity))
    connection.execute(delete(CASES).where(CASES.c.id == identity))
    return clips
