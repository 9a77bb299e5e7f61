"""Outages and rush hours in simulated time, through the real stage: how much is skipped, and how late speech is."""

from dataclasses import replace

import pytest

from pipeline.settings import Overload
from pipeline.speech.load_shedding import FULL_TIMES
from tests.pipeline.speech.asr.simulated_worker import Result, Run, Scenario

QUIET = Scenario("quiet", arrivals=0.1, speed=5, outage=600, seconds=300)
BUSY = Scenario("busy", arrivals=0.4, speed=0.6, outage=600, seconds=3_000)
RUSH = Scenario("rush", arrivals=3, speed=2, outage=0, seconds=1_800)


def run(scenario: Scenario) -> Result:
    return Run(scenario).run()


def test_a_short_outage_in_a_quiet_night_skips_nothing() -> None:
    found = run(QUIET)
    assert (found.skipped, found.expired) == (0, 0)
    assert found.caught_up < 15


def test_a_short_outage_on_a_busy_day_skips_nothing() -> None:
    found = run(BUSY)
    assert (found.skipped, found.expired) == (0, 0)
    assert found.caught_up < 1_300


@pytest.mark.parametrize("arrivals", [2.1, 3.0, 6.0])
def test_long_overload_is_shed_so_live_speech_is_not_late(arrivals: float) -> None:
    found = run(replace(RUSH, arrivals=arrivals))
    assert found.delay_p95 < FULL_TIMES * Overload().start_seconds
    fits = RUSH.speed * RUSH.seconds
    assert found.heard > 0.97 * fits, "and the worker is never idle for it"
    assert found.skipped > 0


def test_without_shedding_live_speech_is_late() -> None:
    found = run(replace(RUSH, overload=Overload(enabled=False)))
    assert found.skipped == 0
    assert found.delay_p95 > 500


def test_a_worker_with_a_large_backlog_sheds_until_it_can_catch_up() -> None:
    found = run(replace(BUSY, outage=4 * 3_600, seconds=4 * 3_600))
    assert found.skipped > 0
    assert found.caught_up < 4 * 3_600
    assert found.heard > 0.6 * (found.heard + found.skipped)


def test_speech_that_would_expire_is_shed_by_policy() -> None:
    """Speech is kept for an hour, and the backlog takes longer than that."""
    late = Scenario("late", arrivals=0.9, speed=1, outage=3_300, seconds=3_600, retention=3_600)
    patient = replace(late, overload=Overload(catch_up_seconds=1e6))
    assert run(replace(late, arrivals=1.2, overload=Overload(enabled=False))).expired > 0
    for scenario in (late, patient, replace(patient, arrivals=1.2)):
        found = run(scenario)
        assert found.expired == 0
        assert found.skipped > 0


def test_the_same_run_gives_the_same_figures() -> None:
    assert run(RUSH) == run(RUSH)
