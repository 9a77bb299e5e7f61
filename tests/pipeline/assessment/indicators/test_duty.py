"""Staffing figures equal values counted quarter hour by quarter hour from the same records, on both databases."""

import math
import random

import pytest
from sqlalchemy import insert

from pipeline.assessment.indicators import duty
from pipeline.assessment.measure import measure
from pipeline.assessment.options import Options
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.people_tables import DUTY
from tests.builders import NOON, flag
from tests.pipeline.assessment.reading import figures

DAY = Window(NOON, NOON + 86_400)
FIRST = int(NOON // 900)
"""The first quarter hour of the day."""
PEOPLE = {"ana": "moderator", "ben": "moderator", "lea": "lead", "aud": "auditor"}

Shifts = set[tuple[int, str]]
"""Quarter hours of the day, each with a person on duty."""


def staff(database: Database, shifts: Shifts) -> None:
    rows = [{"quarter": FIRST + at, "account": person, "role": PEOPLE[person]} for at, person in sorted(shifts)]
    with database.write() as connection:
        connection.execute(insert(DUTY), rows)


def speak(database: Database, rooms: dict[int, int]) -> None:
    """Let people speak in a number of rooms, by hour of the day."""
    said = [
        flag(f"{h}-{r}", h * 3_600, h * 3_600 + 1, room=f"r{r}") for h, count in rooms.items() for r in range(count)
    ]
    SqlReviewStore(database).add(said, NOON)


@pytest.fixture
def shifts(database: Database) -> Shifts:
    """Random shifts, from an hour before the day until an hour after it."""
    rng = random.Random(17)  # noqa: S311 - no secret
    made = {(rng.randrange(-4, 100), rng.choice(sorted(PEOPLE))) for _ in range(90)} | {(-4, "ana")}
    staff(database, made)
    return made


def moderators(shifts: Shifts, quarter: int) -> int:
    return sum(at == quarter and person != "aud" for at, person in shifts)


def test_a_quarter_hour_is_covered_if_a_moderator_was_on_duty(database: Database, shifts: Shifts) -> None:
    covered = [moderators(shifts, quarter) > 0 for quarter in range(96)]
    gaps = "".join("x" if one else "." for one in covered).split("x")
    found = figures(database, duty.cover, Options(), DAY)
    assert 0 < sum(covered) < 96
    assert found["share",].value == pytest.approx(sum(covered) / 96)
    assert found["longest_gap",].value == max(map(len, gaps)) * 900
    assert found["share",].n == 96


def test_an_auditor_on_duty_covers_nothing(database: Database) -> None:
    staff(database, {(0, "aud"), (95, "aud")})
    found = figures(database, duty.cover, Options(), DAY)
    assert (found["share",].value, found["longest_gap",].value) == (0.0, 86_400)


def test_a_full_day_has_no_gap(database: Database) -> None:
    staff(database, {(quarter, "ana") for quarter in range(96)})
    found = figures(database, duty.cover, Options(), DAY)
    assert (found["share",].value, found["longest_gap",].value) == (1.0, 0)


def test_the_time_before_the_first_record_is_no_absence(database: Database) -> None:
    staff(database, {(90, "ana"), (92, "ben")})
    found = figures(database, duty.cover, Options(), DAY)
    assert (found["share",].value, found["share",].n, found["longest_gap",].value) == (2 / 6, 6, 3 * 900)
    with database.read() as connection:
        marked = {one.indicator: one.whole for one in measure(connection, DAY, Options())}
        later = {
            one.indicator: one.whole for one in measure(connection, Window(DAY.until, DAY.until + 3_600), Options())
        }
    assert (marked["I-17"], later["I-17"]) == (False, True)


def test_without_a_record_nothing_is_known(database: Database) -> None:
    speak(database, {2: 3})
    staff(database, {(96, "ana")})  # after the day
    for compute in (duty.cover, duty.reviewers_to_rooms):
        found = figures(database, compute, Options(), DAY)
        assert {(one.value, one.unmeasured, one.n) for one in found.values()} == {(None, "not_recorded", 0)}


def test_reviewers_to_rooms_is_lowest_in_the_busiest_hour(database: Database, shifts: Shifts) -> None:
    rooms = {2: 3, 5: 1, 20: 2}
    speak(database, rooms)
    ratios = sorted(
        sum(moderators(shifts, hour * 4 + part) for part in range(4)) / 4 / count for hour, count in rooms.items()
    )
    found = figures(database, duty.reviewers_to_rooms, Options(), DAY)
    assert found["min",].value == pytest.approx(ratios[0])
    assert found["p5",].value == pytest.approx(ratios[math.ceil(0.05 * 3) - 1])
    assert (found["min",].n, ratios[0] < ratios[2]) == (3, True)


def test_hours_before_the_first_full_hour_of_the_record_have_no_ratio(database: Database) -> None:
    speak(database, {1: 1, 2: 1})
    staff(database, {(5, "ana"), (8, "ana"), (9, "ben"), (9, "lea"), (10, "aud")})
    found = figures(database, duty.reviewers_to_rooms, Options(), DAY)
    assert (found["min",].value, found["min",].n) == (0.75, 1)


def test_hours_without_speech_have_no_ratio(database: Database, shifts: Shifts) -> None:
    assert shifts
    found = figures(database, duty.reviewers_to_rooms, Options(), DAY)
    assert {(one.value, one.unmeasured) for one in found.values()} == {(None, "no_data")}
