"""The figures of records: completeness, retention, evidence and access, compared with rows written by hand."""

from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.assessment.indicators import record_keeping
from pipeline.assessment.indicators.record_keeping import KEPT_DAYS
from pipeline.assessment.options import Options
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder, checksum
from pipeline.review.privacy import retention_job
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import FLAGS
from pipeline.settings import Retention
from pipeline.settings.review import Keep
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import WEEK, figures

DAY, HOUR = 86_400.0, 3_600.0
OPTIONS = Options()


def line(database: Database, at: float, actor: str, action: str, subject: str = "case", **detail: object) -> None:
    with database.write() as connection:
        audit_log.append(connection, at, actor, action, subject, dict(detail))


def test_completeness_by_field(database: Database) -> None:
    """Four flags, of which one has no text; a drill does not count. The audit log has no line in the window."""
    store = SqlReviewStore(database)
    store.add([flag(f"{n}", 10 * n, 10 * n + 5) for n in range(4)], NOON + 60)
    store.add([flag("drill", 50, 55, drill="d1", text="")], NOON + 60)
    with database.write() as connection:
        connection.execute(update(FLAGS).where(FLAGS.c.id == "2").values(text=""))
    window = Window(NOON + 1, NOON + 61)
    found = figures(database, record_keeping.completeness, OPTIONS, window)
    assert (found["share",].value, found["share",].n) == (0.75, 4)
    assert found["share", "reason", "content"].value == 0.75
    assert found["share", "reason", "account"].value == 1
    assert found["share", "reason", "operation"].value is None
    assert found["share", "reason", "source_port"].unmeasured == "not_recorded"
    line(database, NOON + 2, "ana", "case.view")
    found = figures(database, record_keeping.completeness, OPTIONS, window)
    assert (found["share",].value, found["share",].n) == (0.8, 5)
    assert found["share", "reason", "operation"].value == 1


def test_days_with_logs(database: Database) -> None:
    """A day counts from the end of the window backwards. Speech and lines count, and each day counts once."""
    for days in (0.5, 0.6, 10, KEPT_DAYS - 0.1, KEPT_DAYS + 0.1):
        line(database, WEEK.until - days * DAY, "ana", "login", "ana")
    found = figures(database, record_keeping.retention, OPTIONS)["days",].value
    # The accounts of the tests were added at NOON, on another day.
    assert found == pytest.approx(4 / KEPT_DAYS)
    SqlReviewStore(database).add([flag("a", 20 * 3_600.0, 20 * 3_600.0 + 5)], NOON)
    found = figures(database, record_keeping.retention, OPTIONS)["days",].value
    assert found == pytest.approx(5 / KEPT_DAYS)


def test_early_deletions_and_erased_cases(database: Database) -> None:
    for days, action in ((90.0, "case.expire"), (365.0, "case.expire"), (14.0, "audio.expire"), (14.0, "audio.expire")):
        line(database, NOON, "retention", action, days=days, label="any")
    line(database, NOON, "lea", "case.erase")
    line(database, WEEK.since - 1, "retention", "case.expire", days=90.0)
    found = figures(database, record_keeping.retention, OPTIONS)
    assert found["early",].value == 3
    assert found["early", "reason", "case"].value == 1
    assert found["early", "reason", "clip"].value == 2
    assert found["erased",].value == 1
    assert found["overdue",].value is None


def test_cases_past_their_limit(database: Database, tmp_path: Path) -> None:
    """The job runs every day, so a case is past its limit a day after its time is over."""
    store = SqlReviewStore(database)
    for number, days in enumerate((6.5, 5.5, 1.0)):
        store.add([flag(f"{number}", 0, 5, room=f"{number}")], WEEK.until - days * DAY)
    kept = Retention(open=Keep(audio_days=5, case_days=5))
    found = figures(database, record_keeping.retention, Options(retention=kept))["overdue",]
    assert found.value == pytest.approx(1 / 3)
    assert found.n == 3
    retention_job.run_retention(database, EvidenceFolder(tmp_path), kept, WEEK.until)
    found = figures(database, record_keeping.retention, Options(retention=kept))["overdue",]
    assert (found.value, found.n) == (0, 1)


def test_evidence_of_actions(database: Database, tmp_path: Path) -> None:
    """Of 4 actions, one clip is missing, one was changed, and one case never had a clip."""
    store, folder = SqlReviewStore(database), EvidenceFolder(tmp_path)
    for name in ("good", "missing", "changed", "none", "no action"):
        case = store.add([flag(name, 0, 5, room=name)], NOON)[0].case
        if name != "none":
            path = folder.put(case, NOON, b"clip")
            fields = {"start": NOON, "end": NOON + 5, "seconds": 5.0, "bytes": 4, "sha256": checksum(b"clip")}
            store.attach(Evidence(path=path, case=case, **fields))  # type: ignore[arg-type]
        if name == "missing":
            folder.remove(path)
        if name == "changed":
            folder.put(case, NOON, b"other")
        store.decide(case, "ana", Choice(verdict="uphold", action=None if name == "no action" else "mute"), NOON + 1)
    found = figures(database, record_keeping.evidence, Options(evidence=folder))["share",]
    assert (found.value, found.n) == (0.25, 4)
    assert found.interval is not None
    assert figures(database, record_keeping.evidence, OPTIONS)["share",].unmeasured == "not_recorded"


def test_views(database: Database) -> None:
    line(database, NOON, "ana", "case.claim", "one")
    for actor, action, subject in (
        ("ana", "case.view", "one"),
        ("ana", "case.play", "one"),
        ("ana", "case.view", "two"),
        ("lea", "case.view", "one"),
        ("lea", "case.view", ""),
    ):
        line(database, NOON + 1, actor, action, subject)
    found = figures(database, record_keeping.access, OPTIONS)
    assert found["views",].value == 5
    assert (found["share",].value, found["assigned",].value) == (0.8, 0.4)


def test_unused_accounts(database: Database) -> None:
    """The five accounts of the tests exist since NOON."""
    later = Window(NOON + 100 * DAY, NOON + 101 * DAY)
    line(database, NOON + 50 * DAY, "ana", "login", "ana")
    line(database, NOON + 5 * DAY, "ben", "login", "ben")
    found = figures(database, record_keeping.access, OPTIONS, later)["unused",]
    assert (found.value, found.n) == (4, 5)
    assert figures(database, record_keeping.access, OPTIONS, WEEK)["unused",].value == 0
