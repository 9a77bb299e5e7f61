"""The backlog equals a count of the open cases at each full hour, on both databases."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from statistics import median

import pytest
from sqlalchemy import select

from pipeline.assessment.indicators.backlog import backlog
from pipeline.assessment.options import Options
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.quality.figure import Window
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag
from tests.pipeline.assessment import world
from tests.pipeline.assessment.reading import WEEK, Key, figures
from tests.pipeline.assessment.world import Fact

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


def test_copies_for_second_opinions_do_not_count(database: Database, tmp_path: Path) -> None:
    fact = Fact(flag("a", 0, 1), NOON + 2, audited=False, decisions=[world.Given(NOON + 60, "uphold")])
    world.store(database, [fact])
    with database.write() as connection:
        original = connection.execute(select(CASES.c.id)).scalar_one()
        assert drawing.copy(connection, EvidenceFolder(tmp_path), "second", original, "any", 1.0, NOON + 100)
    found = figures(database, backlog, Options())
    assert (found["open",].value, found["open",].n) == (0, 1)
