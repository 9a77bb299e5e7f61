"""Figures over time: buckets, weeks, changes of policy, muted flags."""

from typing import Any

import pytest

from pipeline.contract.messages import Verdict
from pipeline.judge import verdict
from pipeline.review.cases import phrase_muting
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.quality import trends
from pipeline.review.quality.trends import DAY, HOUR, PERIODS, WEEK, QualityQuestion
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


class Past:
    """A store that is filled at past times, in seconds before NOON."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(database)

    def case(self, ago: float, verdict: Verdict | None = "uphold", label: str = "violence", **changes: Any) -> str:
        said = flag(f"{ago}{label}", -ago, 1 - ago, flagged=(label,), speaker=label, **changes)
        case = self.store.add([said], NOON - ago)[0].case
        if verdict:
            self.store.decide(case, "ana", Choice(verdict=verdict), NOON - ago + 60)
        return case

    def measure(self, period: trends.Period = "day", label: str = "") -> trends.QualityFigures:
        with self.database.read() as connection:
            return trends.measure(connection, QualityQuestion(period, label), NOON + 1)


@pytest.fixture
def past(database: Database) -> Past:
    return Past(database)


def test_each_case_counts_in_the_bucket_of_its_time(past: Past) -> None:
    past.case(2 * HOUR - 10)
    past.case(HOUR + 30, None)  # arrives 30 s before the next hour begins
    past.case(HOUR + 20, "uphold")  # decided in the next hour
    past.case(-10, None)  # after the last full hour
    found = past.measure()
    assert [(one.arrived, one.decided) for one in found.flow[-3:]] == [(0, 0), (3, 1), (0, 1)]
    assert (found.flow[0].at, found.until, len(found.flow)) == (NOON - DAY, NOON, 24)
    assert (found.in_time.hits, found.in_time.n) == (2, 2)


@pytest.mark.parametrize("period", PERIODS)
def test_the_buckets_cover_the_period(past: Past, period: trends.Period) -> None:
    step, count = PERIODS[period]
    past.case(step * count - 1)
    past.case(step * count + 1)
    found = past.measure(period)
    assert [one.arrived for one in found.flow] == [1, *[0] * (count - 1)]


def test_a_label_counts_alone(past: Past) -> None:
    past.case(HOUR / 2)
    past.case(HOUR / 2, "dismiss", "fraud")
    found = past.measure("day", "fraud")
    assert sum(one.arrived for one in found.flow) == sum(one.decided for one in found.flow) == 1
    assert {name: (share.hits, share.n) for name, share in found.precision.items()} == {"fraud": (0, 1)}
    assert found.weeks[-1].precision.n == 1
    assert past.measure().weeks[-1].precision.n == 2


def test_precision_by_week(past: Past) -> None:
    past.case(8 * DAY, "dismiss")
    past.case(DAY)
    past.case(2 * DAY, "dismiss")
    weeks = past.measure("quarter").weeks
    assert [(week.precision.hits, week.precision.n) for week in weeks[-3:]] == [(0, 0), (0, 1), (1, 2)]
    assert weeks[-1].at == NOON - WEEK


def test_a_new_policy_is_a_change_and_the_first_one_is_none(past: Past) -> None:
    past.case(20 * DAY)
    past.case(3 * DAY, policy="default@2")
    past.case(2 * DAY, policy="default@2")
    found = past.measure("month")
    assert [(one.kind, one.name, one.at) for one in found.changes] == [("policy", "default@2", NOON - 3 * DAY)]


def test_muted_flags_are_counted(past: Past) -> None:
    why = (verdict.of_term("violence", "弄死你", "high", "review"),)
    case = past.case(3 * HOUR, "dismiss", reasons=why)
    with past.database.write() as connection:
        phrase_muting.ask_to_mute(connection, case, "violence", "弄死你", "lea", NOON - 3 * HOUR + 100, approve=True)
    past.store.add([flag("again", -HOUR, 1 - HOUR, reasons=why)], NOON - HOUR)
    assert past.measure().muted == 1


def test_an_empty_store(past: Past) -> None:
    found = past.measure("quarter")
    assert (found.recall, found.sampled, found.muted, found.changes, found.precision) == (None, None, 0, (), {})
    assert len(found.weeks) == trends.WEEKS
