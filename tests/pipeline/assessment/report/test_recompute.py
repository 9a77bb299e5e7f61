"""Figures of tallies are computed again, from the store and from the tables of a bundle."""

import msgspec
import pytest
from sqlalchemy import update

from pipeline.assessment.report import frozen_records, recompute
from pipeline.assessment.report.assessments import Assessment
from pipeline.assessment.report.content import AssessmentReport
from pipeline.review.database import Database
from pipeline.review.tables.assessment_tables import TALLIES
from tests.pipeline.assessment.report import stored


@pytest.fixture
def report(frozen: Assessment) -> AssessmentReport:
    return frozen.report()


def test_both_ways_give_the_figures_of_the_report(database: Database, report: AssessmentReport) -> None:
    with database.read() as connection:
        found = stored.recomputed(connection, report)
        tables = frozen_records.read(connection, report.id).tables()
    assert (found.same > 60, found.different, found.changed) == (True, (), ())
    bundled = recompute.from_tables(report, tables)
    assert (5 < bundled.same < found.same, bundled.different) == (True, ())


def test_a_changed_tally_changes_no_figure(database: Database, report: AssessmentReport) -> None:
    with database.read() as connection:
        before = stored.recomputed(connection, report)
    with database.write() as connection:
        connection.execute(update(TALLIES).where(TALLIES.c.measure == "monitored").values(samples=1))
    with database.read() as connection:
        assert stored.recomputed(connection, report) == before


def test_figures_that_were_computed_in_another_way_are_left_out(database: Database, report: AssessmentReport) -> None:
    """A report of an older version."""
    definitions = tuple(
        msgspec.structs.replace(each, compute="workload:work") if each.id == "I-17" else each
        for each in report.definitions
    )
    figures = tuple(
        msgspec.structs.replace(each, value=0.5, unmeasured="") if each.indicator == "I-17" else each
        for each in report.figures
    )
    with database.read() as connection:
        forged = stored.recomputed(connection, msgspec.structs.replace(report, figures=figures))
        found = stored.recomputed(connection, msgspec.structs.replace(report, figures=figures, definitions=definitions))
    assert (forged.different, found.different) == (("I-17.share", "I-17.longest_gap"), ())


def test_a_changed_figure_shows(database: Database, report: AssessmentReport) -> None:
    forged = [
        msgspec.structs.replace(each, value=1.0)
        if (each.indicator, each.key, each.split) == ("I-02", "share", {})
        else each
        for each in report.figures
    ]
    with database.read() as connection:
        found = stored.recomputed(connection, msgspec.structs.replace(report, figures=tuple(forged)))
    assert found.different == ("I-02.share",)
