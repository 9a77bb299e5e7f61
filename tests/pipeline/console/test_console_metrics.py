"""The console's metrics, from a real store and real requests."""

import math
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.assessment.indicators import harm
from pipeline.console import console_metrics
from pipeline.console.services import Services, open_services
from pipeline.contract.messages import Hit
from pipeline.review.cases import deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Clock

SAME = (Hit("刷单", "fraud", "high", 0, 2),)


class Shift:
    """Services with their store. Cases are stored at NOON."""

    def __init__(self, services: Services, clock: Clock) -> None:
        self.services, self.clock = services, clock
        self.store = SqlReviewStore(services.database)

    def case(self, name: str, at: float = 0.0, **changes: object) -> str:
        [outcome] = self.store.add([flag(name, at, at + 1, **changes)], NOON)
        return outcome.case

    def decide(self, case: str, verdict: str, at: float, by: str = "ana") -> str:
        self.clock.now = NOON + at
        with self.services.database.write() as connection:
            choice = Choice(verdict=verdict, action="mute" if verdict == "uphold" else None)  # type: ignore[arg-type]
            made = deciding.decide(connection, case, by, choice, self.clock.now)
            first = console_metrics.first_reviews(connection, [made])
        console_metrics.count_decisions(self.services, [made], first)
        return made.id

    def figure(self, name: str, **labels: str) -> float:
        value = self.services.metrics.registry.get_sample_value(f"voxwarden_{name}", labels)
        assert value is not None, (name, labels)
        return value


@pytest.fixture
def shift(tmp_path: Path, staffed: Path) -> Iterator[Shift]:
    settings = Settings(data_dir=tmp_path)
    shutil.copy(staffed, tmp_path / "voxwarden.db")
    with closing(Database(settings.database_url)) as database:
        clock = Clock()
        services = open_services(settings, database, clock)
        console_metrics.from_the_start(services)
        yield Shift(services, clock)


def test_the_first_final_decision_counts_with_its_time_and_deadline(shift: Shift) -> None:
    early, late = shift.case("a"), shift.case("b", 100)
    shift.decide(early, "escalate", 10, "ben")
    assert shift.figure("reviews_total", label="violence", verdict="uphold") == 0
    shift.decide(early, "uphold", 60, "lea")
    shift.decide(late, "dismiss", 90_000)
    severity = "medium"
    assert shift.figure("decisions_total", verdict="escalate") == 1
    assert shift.figure("reviews_total", label="violence", verdict="uphold") == 1
    assert shift.figure("reviews_total", label="violence", verdict="dismiss") == 1
    assert shift.figure("review_deadlines_total", severity=severity, result="met") == 1
    assert shift.figure("review_deadlines_total", severity=severity, result="missed") == 1
    assert shift.figure("flag_to_review_seconds_sum", severity=severity) == 60 + 90_000
    assert shift.figure("flag_to_review_seconds_bucket", severity=severity, le="60.0") == 1


def test_decisions_on_drills_are_no_reviews(shift: Shift) -> None:
    shift.decide(shift.case("a", drill="d"), "uphold", 60)
    assert shift.figure("reviews_total", label="violence", verdict="uphold") == 0
    assert shift.figure("decisions_total", verdict="uphold") == 1


@pytest.mark.parametrize(("result", "count", "seconds"), [("done", 1, 20), ("failed", 0, 0)])
def test_a_confirmed_action_gives_its_time_since_the_decision(
    shift: Shift, result: enforcements.Result, count: int, seconds: float
) -> None:
    decision = shift.decide(shift.case("a"), "uphold", 60)
    held = Confirmation(decision=decision, action="mute", result=result, at=NOON + 80, received_at=NOON + 90)
    with shift.services.database.read() as connection:
        since = console_metrics.decided_at(connection, decision)
    console_metrics.count_action(shift.services, held, since)
    assert shift.figure("actions_total", result=result) == 1
    assert shift.figure("review_to_action_seconds_count") == count
    assert shift.figure("review_to_action_seconds_sum") == seconds


def test_the_queue_is_shown_by_severity(shift: Shift) -> None:
    shift.case("a")
    shift.clock.now = NOON + 100_000
    console_metrics.queue(shift.services)
    assert shift.figure("open_cases", severity="medium") == 1
    assert shift.figure("late_cases", severity="medium") == 1
    assert shift.figure("oldest_case_seconds", severity="medium") == 100_000
    assert shift.figure("oldest_overdue_seconds") == 100_000 - 3_600
    assert shift.figure("open_cases", severity="critical") == 0
    assert shift.figure("uncovered_cases", who="away") == shift.figure("open_cases", severity="medium")
    assert shift.figure("uncovered_cases", who="nobody") == 0


def test_without_data_the_shares_are_no_numbers(shift: Shift) -> None:
    console_metrics.quality(shift.services)
    assert math.isnan(shift.figure("recall_ratio", bound="estimate"))
    assert math.isnan(shift.figure("precision_ratio", bound="low"))
    assert math.isnan(shift.figure("confirmed_ratio", label="fraud"))
    assert shift.figure("spread_terms", label="fraud") == 0


def test_quality_shows_confirmation_and_repeat_offenders(shift: Shift) -> None:
    for number, verdict in enumerate(("uphold", "uphold", "dismiss")):
        shift.decide(shift.case(str(number), number * 1_000), verdict, 60)
    shift.decide(shift.case("other", 5_000, speaker="ben"), "uphold", 60)
    shift.clock.now += 1
    console_metrics.quality(shift.services)
    assert shift.figure("confirmed_ratio", label="violence") == 0.75
    assert shift.figure("upheld_speakers") == 2
    assert shift.figure("repeat_offenders") == 1


def test_recall_shows_its_interval(shift: Shift) -> None:
    shift.decide(shift.case("caught"), "uphold", 60)
    passed = flag("passed", 2_000, 2_001, suggestion="pass", flagged=())
    [audit] = shift.store.add([passed], NOON, {"passed"}, 1.0)
    shift.decide(audit.case, "uphold", 61)
    shift.clock.now = NOON + 4_000
    console_metrics.quality(shift.services)
    assert shift.figure("recall_ratio", bound="estimate") == pytest.approx(0.5)
    assert shift.figure("recall_ratio", bound="low") <= 0.5 <= shift.figure("recall_ratio", bound="high")
    assert shift.figure("decided_audits") == 1


def test_one_term_of_three_speakers_spreads(shift: Shift) -> None:
    for number, speaker in enumerate(("ann", "ben", "cho", "cho")):
        shift.case(str(number), number * 10, speaker=speaker, hits=SAME, flagged=("fraud",))
    shift.clock.now = NOON + 600
    console_metrics.quality(shift.services)
    assert shift.figure("spread_speakers", label="fraud") == 3
    assert shift.figure("spread_terms", label="fraud") == 1
    shift.clock.now = NOON + 4_000
    console_metrics.quality(shift.services)
    assert shift.figure("spread_terms", label="fraud") == 0


def test_only_flagged_real_speech_and_these_labels_spread(shift: Shift) -> None:
    shift.case("drill", 0, hits=SAME, drill="d")
    shift.case("other", 100, hits=(Hit("term", "violence", "high", 0, 2),))
    with shift.services.database.read() as connection:
        found = harm.speakers(connection, Window(NOON - 10, NOON + 10), frozenset({"fraud"}))
    assert found == {}
