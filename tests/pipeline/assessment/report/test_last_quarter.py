"""The report of a past window stays the same, and is computed again, whatever happens afterwards."""

import random
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.assessment import register
from pipeline.assessment.report import assessments, bundle, gather, recompute
from pipeline.assessment.report.assessments import Assessment
from pipeline.review.accounts import accounts
from pipeline.review.cases import appeals, reading
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import retention_job
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import DECISIONS
from pipeline.settings import Keep, Retention, Settings
from tests.builders import NOON, flag
from tests.pipeline.assessment import world
from tests.pipeline.assessment.reading import WEEK
from tests.pipeline.assessment.report import stored

DAY = 86_400.0
LATER = WEEK.until + 90 * DAY
OF_CASES = {"I-06", "I-08", "I-09", "I-10"}
"""Some of the indicators that need cases."""
SHORT = Keep(audio_days=1, case_days=1)


@pytest.fixture
def last_quarter(database: Database, tmp_path: Path) -> Assessment:
    """The final report of a random week of cases."""
    world.store(database, world.week(random.Random(5), 120))  # noqa: S311 - no secret
    with database.write() as connection:
        fields = {"title": "broker down", "severity": "high"}
        register.add(connection, "incident", fields, "lea", WEEK.since + 60, opened_at=WEEK.since + 60)
        made = assessments.open_one(connection, "Harbour", WEEK, "lea", WEEK.until + DAY)
    return stored.finish(database, made, tmp_path, WEEK.until + 2 * DAY)


def recomputed(database: Database, assessment: Assessment) -> recompute.Recomputed:
    with database.read() as connection:
        return stored.recomputed(connection, assessment.report())


def files(assessment: Assessment) -> dict[str, bytes]:
    return {**bundle.pages(assessment.report(), with_pdf=False), **bundle.parts(assessment.report())}


def go_on(database: Database) -> None:
    """Let a quarter pass: another policy and model, new speech, appeals against old decisions, people who leave."""
    store = SqlReviewStore(database)
    start = LATER - NOON
    for number in range(8):
        spoken = flag(f"new {number}", start + 60 * number, start + 60 * number + 2, policy="strict@9", model="other")
        store.add([spoken], LATER + 60 * number + 3)
    with database.read() as connection:
        old = [case for case in reading.cases(connection, Filters(), None, 1_000) if case.verdict == "uphold"]
    with database.write() as connection:
        for case in old[:20]:
            lodged, _ = appeals.lodge(connection, case.id, case.speaker, "not me", LATER, 10.0)
            appeals.settle(connection, lodged.id, "leo", Choice(verdict="dismiss"), LATER + 60, 10.0)
        accounts.change_account(connection, "ben", LATER, "lea", disabled=True)


def test_nothing_that_comes_later_changes_the_report(database: Database, last_quarter: Assessment) -> None:
    before, at_first = files(last_quarter), recomputed(database, last_quarter)
    assert (at_first.same > 200, at_first.different) == (True, ())
    go_on(database)
    assert recomputed(database, last_quarter) == at_first
    assert files(stored.found(database, last_quarter.id)) == before


def test_other_settings_change_limits_and_no_old_figure(
    database: Database, last_quarter: Assessment, tmp_path: Path
) -> None:
    go_on(database)
    policy = tmp_path / "policy.yaml"
    policy.write_text("name: strict\nextends: default\n", "utf-8")
    other = Settings.model_validate(
        {
            "data_dir": tmp_path,
            "judge": {"policy": str(policy)},
            "assessment": {"limits": {"I-06.in_time": 0.999}, "report_hours": 1},
            "retention": {"upheld": {"audio_days": 3, "case_days": 4}},
        }
    )
    with database.read() as connection:
        assert gather.gather(connection, last_quarter, other) == last_quarter.report()
    assert recomputed(database, last_quarter).different == ()


def test_figures_whose_cases_are_deleted_are_named(
    database: Database, last_quarter: Assessment, tmp_path: Path
) -> None:
    at_first = recomputed(database, last_quarter)
    gone = Retention(open=SHORT, upheld=SHORT, dismissed=SHORT)
    assert retention_job.run_retention(database, EvidenceFolder(tmp_path / "evidence"), gone, LATER).cases > 50
    found = recomputed(database, last_quarter)
    assert (found.different, OF_CASES - set(found.changed)) == ((), set())
    assert {"I-02", "I-03", "I-05", "I-17"}.isdisjoint(found.changed), "tallies and audit log are kept"
    assert 0 < found.same < at_first.same


def test_a_corrected_entry_of_the_register_is_told(database: Database, last_quarter: Assessment) -> None:
    with database.write() as connection:
        [entry] = register.all_records(connection)
        register.close(connection, entry.id, "lea", LATER, WEEK.since + 3_600)
    found = recomputed(database, last_quarter)
    assert (found.different, found.changed) == ((), ("I-32",))


def test_a_changed_decision_is_a_difference(database: Database, last_quarter: Assessment) -> None:
    with database.write() as connection:
        inside = (DECISIONS.c.at >= WEEK.since, DECISIONS.c.at < WEEK.until)
        connection.execute(update(DECISIONS).where(*inside).values(at=DECISIONS.c.at + 900))
    assert "I-06.p50" in recomputed(database, last_quarter).different
