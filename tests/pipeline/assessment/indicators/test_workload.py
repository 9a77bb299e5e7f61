"""The load equals values counted minute by minute from the same acts, and the backlog those counted hour by hour."""

import math
import random
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import median, median_low

import pytest
from sqlalchemy import select

from pipeline.assessment.indicators import workload
from pipeline.assessment.indicators.workload import backlog
from pipeline.assessment.options import Options
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.quality.figure import Window
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag
from tests.pipeline.assessment import world
from tests.pipeline.assessment.reading import WEEK, Key, figures
from tests.pipeline.assessment.world import Fact

DAY = Window(NOON, NOON + 86_400)
LASTING = 5
"""Minutes that an act counts, with the default lease."""
Line = tuple[float, str, str, str]


@pytest.fixture
def lines(database: Database) -> list[Line]:
    """Random lines of the audit log, from an hour before the day until an hour after it."""
    rng = random.Random(17)  # noqa: S311 - no secret
    times = sorted(NOON + rng.choice([rng.uniform(-3_600, 90_000), rng.uniform(0, 9_000)]) for _ in range(400))
    actions = ("case.claim", "case.claim", "case.decide", "case.decide", "case.skip", "case.view", "case.expire")
    made = [
        (at, rng.choice(["ana", "ben", "lea"]), rng.choice(actions), rng.choice(["c1", "c2"])) for at in (*times, NOON)
    ]
    made.sort()
    with database.write() as connection:
        for at, person, action, case in made:
            audit_log.append(connection, at, person, action, case)
    return made


def acts(lines: list[Line], window: Window) -> list[Line]:
    return [line for line in lines if line[2] in workload.ACTS and window.contains(line[0])]


def test_load_is_decisions_by_active_hour(database: Database, lines: list[Line]) -> None:
    within = acts(lines, DAY)
    minutes = 0
    for person in ("ana", "ben", "lea"):
        acted = {int(line[0] // 60) for line in within if line[1] == person}
        minutes += len({minute + later for minute in acted for later in range(LASTING)})
    decisions = sum(line[2] == "case.decide" for line in within)
    found = figures(database, workload.work, Options(), DAY, "I-18")
    assert found["reviewer_hours",].value == pytest.approx(minutes / 60)
    assert (found["decisions",].value, found["decisions",].n) == (decisions, decisions)
    assert found["decisions_per_hour",].value == pytest.approx(decisions / minutes * 60)


def test_a_decision_lasts_from_taking_the_case(database: Database, lines: list[Line]) -> None:
    last: dict[tuple[str, str], Line] = {}
    times = []
    for line in acts(lines, DAY):
        at, person, action, case = line
        before = last.get((person, case))
        if action == "case.decide" and before and before[2] == "case.claim":
            times.append(math.ceil(round(at - before[0], 6)))
        last[person, case] = line
    found = figures(database, workload.work, Options(), DAY, "I-18")["seconds",]
    assert (found.value, found.n) == (median_low(times), len(times))


PARTS: dict[Key, Callable[[Fact], bool]] = {
    (): lambda _: True,
    ("severity", "high"): lambda fact: fact.severity == 2,
}


def open_at(fact: Fact, at: float) -> bool:
    decided = fact.decided(WEEK.until)
    return fact.stored <= at and (decided is None or decided > at)


def test_it_equals_a_count_at_every_hour(filled: Database, facts: list[Fact]) -> None:
    found = figures(filled, backlog, Options())
    hours = [WEEK.since + hour * 3_600 for hour in range(7 * 24)]
    for part, belongs in PARTS.items():
        chosen = [fact for fact in facts if not fact.flag.drill and belongs(fact) and fact.stored < WEEK.until]
        counts = [(hour // 86_400, sum(open_at(fact, hour) for fact in chosen)) for hour in hours]
        daily = [max(count for _, count in day) for _, day in groupby(counts, lambda one: one[0])]
        still = [fact for fact in chosen if fact.decided(WEEK.until) is None]
        spans = [(fact.stored, fact.decided(WEEK.until) or WEEK.until) for fact in chosen]
        inside = [end - begin for begin, end in spans if end > WEEK.since]
        assert found["open", *part].value == len(still)
        assert found["open_max", *part].value == max(daily)
        assert found["open_daily", *part].value == median(daily)
        assert found["oldest", *part].value == pytest.approx(max(WEEK.until - fact.stored for fact in still))
        assert found["oldest_max", *part].value == pytest.approx(max(inside))
        assert found["open", *part].n == len(inside)


def test_a_case_is_open_from_the_hour_it_is_stored_until_the_hour_of_its_decision(database: Database) -> None:
    fact = Fact(flag("a", -10, -9), NOON, audited=False, decisions=[world.Given(NOON + 3_600, "dismiss")])
    world.store(database, [fact])
    assert figures(database, backlog, Options(), Window(NOON, NOON + 3_600))["open_max",].value == 1
    later = figures(database, backlog, Options(), Window(NOON + 3_600, NOON + 7_200))
    assert (later["open_max",].value, later["open_max",].unmeasured) == (None, "no_data")


def test_the_days_of_the_backlog_are_those_of_the_zone(database: Database) -> None:
    # From 14:00 to 18:00 UTC: on one day in UTC, on two in Beijing, where midnight is 16:00 UTC.
    facts = [
        Fact(
            flag(name, 0, 1, room=name),
            NOON + begin * 3_600,
            audited=False,
            decisions=[world.Given(NOON + 6 * 3_600, "dismiss")],
        )
        for name, begin in (("a", 2), ("b", 5))
    ]
    world.store(database, facts)
    window = Window(NOON, NOON + 6 * 3_600)
    assert figures(database, backlog, Options(), window)["open_daily",].value == 2
    assert figures(database, backlog, Options(zone="Asia/Shanghai"), window)["open_daily",].value == 1.5


def test_copies_for_second_opinions_do_not_count(database: Database, tmp_path: Path) -> None:
    fact = Fact(flag("a", 0, 1), NOON + 2, audited=False, decisions=[world.Given(NOON + 60, "uphold")])
    world.store(database, [fact])
    with database.write() as connection:
        original = connection.execute(select(CASES.c.id)).scalar_one()
        assert drawing.copy(connection, EvidenceFolder(tmp_path), "second", original, "any", 1.0, NOON + 100)
    found = figures(database, backlog, Options())
    assert (found["open",].value, found["open",].n) == (0, 1)
