"""Deletes a case's audio, or the whole case.

The audio files go first. If a crash interrupts the deletion, the next run finds the rows and repeats it. So no clip
stays without a row. Each function runs in a transaction that the caller opened.
"""

from sqlalchemy import Connection, delete, select, update

from pipeline.review.cases import reading
from pipeline.review.evidence.store import EvidenceStore
from pipeline.review.tables import METADATA
from pipeline.review.tables.core import CASES, DECISIONS, EVIDENCE, FLAGS, OUTBOX
from pipeline.review.tables.rights import REPORTS, VOICES


def delete_audio(connection: Connection, evidence: EvidenceStore, case: str) -> int:
    """Delete the clips of a case and return their number."""
    clips = reading.evidence(connection, case)
    for clip in clips:
        evidence.remove(clip.path)
    for table in (EVIDENCE, VOICES):
        connection.execute(delete(table).where(table.c.case_id == case))
    unheard = REPORTS.c.audio.in_(("waiting", "kept"))
    connection.execute(update(REPORTS).where(REPORTS.c.case_id == case, unheard).values(audio="gone"))
    return len(clips)


def delete_case(connection: Connection, evidence: EvidenceStore, identity: str) -> int:
    """Delete a case with all rows about it in all tables. Return the number of deleted clips."""
    clips = delete_audio(connection, evidence, identity)
    for table in (DECISIONS, FLAGS):
        theirs = select(table.c.id).where(table.c.case_id == identity)
        connection.execute(delete(OUTBOX).where(OUTBOX.c.about.in_(theirs)))
    for table in reversed(METADATA.sorted_tables):  # reversed: a table comes before the tables that it refers to
        for key in (key for key in table.foreign_keys if key.column is CASES.c.id):
            connection.execute(delete(table).where(key.parent == identity))
    connection.execute(delete(CASES).where(CASES.c.id == identity))
    return clips
