"""Evidence counts records and shows each change of them."""

from sqlalchemy import update

from pipeline.assessment.report import stored_evidence
from pipeline.assessment.report.content import ITEMS, ReportedEvidence
from pipeline.review.database import Database
from pipeline.review.tables.core import CASES, DECISIONS
from tests.pipeline.assessment.report import stored


def collected(database: Database) -> dict[str, ReportedEvidence]:
    with database.read() as connection:
        return {each.source.kind: each.evidence for each in stored_evidence.collect(connection, stored.WINDOW)}


def test_records_of_the_window_are_counted(filled: Database) -> None:
    found = collected(filled)
    counts = {kind: each.n for kind, each in found.items() if kind != "audit_log"}
    kinds = ("cases", "flags", "decisions", "drills", "hazards")
    assert {kind: n for kind, n in counts.items() if n} == dict.fromkeys(kinds, 1)


def test_a_changed_record_changes_its_hash_only(filled: Database) -> None:
    before = collected(filled)
    with filled.write() as connection:
        connection.execute(update(DECISIONS).values(verdict="dismiss"))
    after = collected(filled)
    assert {kind for kind in before if before[kind] != after[kind]} == {"decisions"}


def test_records_of_drills_are_left_out(filled: Database) -> None:
    with filled.write() as connection:
        connection.execute(update(CASES).values(drill="d"))
    found = collected(filled)
    assert (found["cases"].n, found["decisions"].n) == (0, 0)


def test_every_item_but_identity_has_records(filled: Database) -> None:
    with filled.read() as connection:
        found = stored_evidence.collect(connection, stored.WINDOW)
    assert [item for item in ITEMS if not stored_evidence.of_item(found, item)] == ["5(2)"]
