"""Deleting a case's audio, or the case with all that hangs on it. The audio goes first: what is cut off halfway is
found again by the next run, and no clip is left that no row tells of.

Each function runs on a connection whose transaction the caller opened.
"""

from sqlalchemy import Connection, delete, select, update

from pipeline.review.cases import reading
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.tables import METADATA
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, OUTBOX
from pipeline.review.tables.rights import REPORTS, VOICES


def audio(connection: Connection, evidence: EvidenceStore, case: str) -> int:
    """Delete the clips of a case; gives how many."""
    clips = reading.evidence(connection, case)
    for clip in clips:
        evidence.remove(clip.path)
    for table in (EVIDENCE, VOICES):
        connection.execute(delete(table).where(table.c.case_id == case))
    unheard = REPORTS.c.audio.in_(("waiting", "kept"))
    connection.execute(update(REPORTS).where(REPORTS.c.case_id == case, unheard).values(audio="gone"))
    return len(clips)


def case(connection: Connection, evidence: EvidenceStore, identity: str) -> int:
    """Delete a case, with everything of every table that is about it; gives how many clips that was."""
    clips = audio(connection, evidence, identity)
    decided = select(DECISIONS.c.id).where(DECISIONS.c.case_id == identity)
    connection.execute(delete(OUTBOX).where(OUTBOX.c.about.in_(decided)))
    for table in reversed(METADATA.sorted_tables):  # what refers to others before those
        for key in (key for key in table.foreign_keys if key.column is CASES.c.id):
            connection.execute(delete(table).where(key.parent == identity))
    connection.execute(delete(CASES).where(CASES.c.id == identity))
    return clips
