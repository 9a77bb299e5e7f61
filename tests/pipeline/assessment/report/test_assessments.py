"""Assessments are opened, found and frozen; a final report never changes."""

from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from pipeline.assessment import attachments
from pipeline.assessment.report import assessments, content, gather
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.frozen_records import Frozen
from pipeline.base import canonical_json
from pipeline.base.errors import CaseError, DependencyError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import HOUR
from pipeline.review.quality.figure import Window
from pipeline.review.tables.assessment_tables import ASSESSMENTS
from tests.builders import NOON
from tests.pipeline.assessment.report import samples, stored


def test_the_usual_window_is_90_days_up_to_a_full_hour() -> None:
    window = assessments.default_window(NOON + 1_799)
    assert window == Window(NOON - 90 * stored.DAY, NOON)


def test_ids_count_within_a_year(database: Database) -> None:
    assert [stored.opened(database).id, stored.opened(database).id] == ["2026-1", "2026-2"]
    with database.read() as connection:
        assert assessments.find(connection, None).id == "2026-2"
        assert [each.id for each in assessments.all_assessments(connection)] == ["2026-2", "2026-1"]


@pytest.mark.parametrize("window", [Window(5, 5), Window(5, stored.NOW + 1)])
def test_an_empty_or_future_window_is_an_error(database: Database, window: Window) -> None:
    with pytest.raises(InputError, match="window"):
        stored.opened(database, window)


@pytest.mark.parametrize("window", [Window(NOON - 5, NOON), Window(NOON - 3_600, NOON - 1_800)])
def test_a_window_that_is_not_of_full_hours_is_an_error(database: Database, window: Window) -> None:
    with pytest.raises(InputError, match="full hours"):
        stored.opened(database, window)


@pytest.mark.parametrize("identity", [None, "2026-9"])
def test_an_unknown_assessment_is_missing(database: Database, identity: str | None) -> None:
    with database.read() as connection, pytest.raises(Missing, match="page Reports"):
        assessments.find(connection, identity)


def test_a_frozen_report_has_its_hash_in_the_audit_log(frozen: Assessment, database: Database) -> None:
    assert frozen.final
    assert canonical_json.digest((frozen.content or "").encode()) == frozen.sha256
    with database.read() as connection:
        found = audit_log.about(connection, assessments.FROZEN, frozen.id)
    assert found is not None
    assert frozen.sha256 in found[0].detail
    assert audit_log.intact(*found)


def test_a_report_is_frozen_once(frozen: Assessment, database: Database) -> None:
    with database.write() as connection, pytest.raises(CaseError, match="already"):
        assessments.freeze(connection, frozen.report(), Frozen({}))


def test_empty_required_fields_block_the_final_report(database: Database) -> None:
    [first, *others] = samples.answers()
    report = samples.final(answers=(samples.blank(first), *others))
    with database.write() as connection, pytest.raises(CaseError) as caught:
        assessments.freeze(connection, report, Frozen({}))
    assert caught.value.what == "1 required fields are empty: 1 Field of part 1"
    assert caught.value.values == {"n": 1, "fields": "1 服务名称与功能"}


def test_a_file_that_is_attached_meanwhile_blocks_the_final_report(filled: Database, tmp_path: Path) -> None:
    made = stored.opened(filled)
    stored.answer(filled, made.id)
    report = gather.finish(stored.drafted(filled, made, tmp_path), "lea", stored.NOW, stored.WHY)
    with filled.write() as connection:
        attachments.attach(connection, made.id, "5(1)", stored.CHART, b"%PDF-1.7", "lea", stored.NOW)
    with pytest.raises(CaseError, match="meanwhile"), filled.write() as connection:
        assessments.freeze(connection, report, Frozen({}))
    assert not stored.found(filled, made.id).final


def test_the_files_of_a_final_report_stay(frozen: Assessment, database: Database) -> None:
    for change in (
        lambda connection: attachments.attach(connection, frozen.id, "5(1)", "b.pdf", b"%PDF-", "lea", stored.NOW),
        lambda connection: attachments.detach(connection, frozen.id, stored.CHART, "lea", stored.NOW),
    ):
        with database.write() as connection, pytest.raises(CaseError, match="final"):
            change(connection)


def test_a_trend_compares_with_the_newest_report_of_about_the_same_length(
    frozen: Assessment, database: Database, tmp_path: Path
) -> None:
    window, later = (
        frozen.window,
        stored.finish(
            database,
            stored.opened(database, Window(NOON - stored.DAY + HOUR, NOON + stored.DAY + HOUR)),
            tmp_path,
            stored.NOW,
        ),
    )
    with database.read() as connection:

        def before(since: float, until: float) -> object:
            return assessments.figures_before(connection, Window(window.since + since, window.until + until))

        figures = [(*each.report().figures, *each.report().drill_figures) for each in (frozen, later)]
        assert figures[0] != figures[1]
        assert before(HOUR, HOUR) == figures[0]
        assert before(2 * HOUR, 2 * HOUR) == figures[1]
        assert before(-4 * HOUR, HOUR + 1) == figures[1], "a tenth longer"
        assert before(0, 0) == before(5 * HOUR, -HOUR) == before(0, 6 * HOUR) == ()


def test_a_report_of_another_voxwarden_gives_no_trend(
    frozen: Assessment, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "FORMAT", content.FORMAT + 1)
    with database.read() as connection:
        assert assessments.figures_before(connection, Window(frozen.since + HOUR, frozen.until + HOUR)) == ()


@pytest.mark.parametrize("change", ["title", "content", "state", "delete"])
def test_the_database_refuses_to_change_a_final_report(frozen: Assessment, database: Database, change: str) -> None:
    wanted = ASSESSMENTS.c.id == frozen.id
    statement = delete(ASSESSMENTS) if change == "delete" else update(ASSESSMENTS).values({change: "x"})
    with pytest.raises((DBAPIError, DependencyError), match="never changed"), database.write() as connection:
        connection.execute(statement.where(wanted))
    assert stored.found(database, frozen.id) == frozen


def test_a_draft_may_change(database: Database) -> None:
    made = stored.opened(database)
    with database.write() as connection:
        connection.execute(update(ASSESSMENTS).values(title="Other"))
    assert stored.found(database, made.id).title == "Other"


def test_a_draft_has_no_frozen_report(database: Database, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no final report"):
        stored.opened(database).report()
