"""Delays, review times and handling times equal values computed from the facts, on both databases."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import literal, select, union_all

from pipeline.assessment.indicators import timeliness
from pipeline.assessment.indicators.timeliness import CaseWaits, parts
from pipeline.assessment.options import Options
from pipeline.judge.labels import SEVERITIES
from pipeline.review.database import Database
from pipeline.review.delivery.speech_tallies import DELAY_ERROR, DELAYS, bucket_of
from tests.builders import flag
from tests.pipeline.assessment import world
from tests.pipeline.assessment.reading import WEEK, Key, figures
from tests.pipeline.assessment.world import Fact

OPTIONS = Options(targets=(14_400.0, 3_600.0, 900.0, 300.0))
PARTS: dict[Key, Callable[[Fact], bool]] = {
    (): lambda _: True,
    ("severity", "high"): lambda fact: fact.severity == 2,
    ("severity", "low"): lambda fact: fact.severity == 0,
    ("label", "fraud"): lambda fact: fact.flag.flagged == ("fraud",),
    ("language", "en"): lambda fact: fact.flag.language == "en",
    ("room_type", "kids"): lambda fact: fact.flag.room_type == "kids",
}
Wait = tuple[int, bool]
"""Whole seconds, and whether the wait is over."""


def wait(begun: float, ended: float | None) -> Wait:
    """Return a wait, rounded up if it is over and down if it is open at the end of the week."""
    if ended is None:
        return math.floor(round(WEEK.until - begun, 6)), False
    return math.ceil(round(ended - begun, 6)), True


def over_by(waits: Sequence[Wait], seconds: float) -> float:
    """Return the Kaplan–Meier estimate, straight from its definition."""
    remaining = 1.0
    for at in sorted({long for long, over in waits if over and long <= seconds}):
        at_risk = sum(long >= at for long, _ in waits)
        remaining *= 1 - sum(long == at and over for long, over in waits) / at_risk
    return 1 - remaining


def quantile(waits: Sequence[Wait], share: float) -> float | None:
    ends = sorted({long for long, over in waits if over})
    return next((float(end) for end in ends if over_by(waits, end) >= share - 1e-9), None)


def test_delay_is_known_to_five_percent(filled: Database, facts: list[Fact]) -> None:
    """The tallies count by the start of the speech, and drills do not count."""
    found = figures(filled, timeliness.detection, OPTIONS)
    for part in ((), ("room_type", "kids"), ("language", "en"), ("policy", "default@1")):
        chosen = [
            fact for fact in facts if WEEK.contains(fact.flag.start) and fact.flagged and PARTS.get(part, bool)(fact)
        ]
        delays = sorted(fact.stored - fact.flag.end for fact in chosen)
        for key, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            exact = delays[math.ceil(share * len(delays)) - 1]
            assert found[key, *part].value == pytest.approx(exact, rel=DELAY_ERROR + 1e-9)
            assert found[key, *part].n == len(chosen)


@given(st.lists(st.floats(DELAYS[0], DELAYS[-1]), min_size=1, max_size=40), st.sampled_from((0.5, 0.95, 0.99)))
@example([11.1], 0.99)
def test_a_quantile_of_delays_is_at_most_five_percent_off(delays: list[float], share: float) -> None:
    exact = sorted(delays)[math.ceil(share * len(delays) - 1e-9) - 1]
    found = timeliness.quantile(Counter(map(bucket_of, delays)), share)
    assert found == pytest.approx(exact, rel=DELAY_ERROR + 1e-9)


def test_a_delay_above_all_classes_has_no_value() -> None:
    assert timeliness.quantile({"300": 3, "inf": 1}, 0.5) == 285
    assert timeliness.quantile({"300": 3, "inf": 1}, 0.95) is None


def test_review_time_keeps_undecided_cases(filled: Database, facts: list[Fact]) -> None:
    found = figures(filled, timeliness.review, OPTIONS)
    for part, belongs in PARTS.items():
        chosen = [fact for fact in world.in_week(facts) if fact.flagged and belongs(fact)]
        waits = [wait(fact.stored, fact.decided(WEEK.until)) for fact in chosen]
        for key, share in (("p50", 0.5), ("p95", 0.95)):
            assert found[key, *part].value == quantile(waits, share)
        assert found["undecided", *part].value == sum(not over for _, over in waits)
        by_severity = [
            [wait(fact.stored, fact.decided(WEEK.until)) for fact in chosen if fact.severity == severity]
            for severity in range(len(SEVERITIES))
        ]
        in_time = sum(
            len(some) * over_by(some, target) for some, target in zip(by_severity, OPTIONS.targets, strict=True)
        )
        assert found["in_time", *part].value == pytest.approx(in_time / len(chosen))
        assert {found[key, *part].n for key in ("p50", "p95", "in_time")} == {len(chosen)}
    assert {key[2] for key in found if key[1:2] == ("severity",)} == set(SEVERITIES)


def test_a_quantile_beyond_the_undecided_cases_is_not_known(database: Database) -> None:
    world.store(database, [Fact(flag("a", 0, 1), WEEK.since + 10, audited=False)])
    p50 = figures(database, timeliness.review, OPTIONS)["p50",]
    assert (p50.value, p50.unmeasured, p50.n) == (None, "censored", 1)


def test_handling_time_keeps_unconfirmed_actions(filled: Database, facts: list[Fact]) -> None:
    found = figures(filled, timeliness.handling, OPTIONS)
    for part in ((), ("severity", "high"), ("label", "fraud")):
        waits = []
        for fact in world.in_week(facts):
            ordered = [one for one in fact.standing(WEEK.until) if one.action]
            if ordered and fact.flagged and PARTS[part](fact):
                done = [one.done for one in ordered if one.done is not None and one.done < WEEK.until]
                waits.append(wait(fact.flag.end, min(done, default=None)))
        assert found["p50", *part].value == quantile(waits, 0.5)
        assert found["p95", *part].value == quantile(waits, 0.95)
        assert found["confirmed", *part].value == pytest.approx(sum(over for _, over in waits) / len(waits))
        assert found["p50", *part].n == len(waits)


def test_without_any_confirmation_the_app_sends_none(database: Database) -> None:
    fact = Fact(flag("a", 0, 1), WEEK.since + 10, audited=False)
    fact.decisions = [world.Given(WEEK.since + 50, "uphold", action=True)]
    world.store(database, [fact])
    found = figures(database, timeliness.handling, OPTIONS)
    assert {(one.value, one.unmeasured, one.n) for one in found.values()} == {(None, "needs_confirmations", 1)}


ROWS = [(0, "en", 10, True), (0, "zh", 20, False), (2, "en", 5, True), (2, "en", 900, True), (2, "en", 30, False)]


def waits(rows: list[tuple[int, str, int, bool]]) -> CaseWaits:
    severity, _, seconds, over = zip(*rows, strict=True)
    return CaseWaits(np.array(severity), np.array(seconds), np.array(over))


def test_each_value_of_a_dimension_is_a_part(database: Database) -> None:
    rows = union_all(
        *(
            select(
                literal(s).label("severity"),
                literal(lang).label("language"),
                literal(t).label("seconds"),
                literal(o).label("over"),
            )
            for s, lang, t, o in ROWS
        )
    ).subquery()
    with database.read() as connection:
        found = {tuple(part.items()): some for part, some in parts(connection, select(rows), "language")}
    chosen = {
        (): ROWS,
        (("severity", "low"),): ROWS[:2],
        (("severity", "high"),): ROWS[2:],
        (("language", "en"),): [row for row in ROWS if row[1] == "en"],
        (("language", "zh"),): ROWS[1:2],
    }
    assert list(found) == list(chosen)
    for part, expected in chosen.items():
        survival = found[part].survival()
        assert (survival.n, survival.open) == (len(expected), sum(not over for *_, over in expected))
        assert survival.quantile(0.1) == waits(expected).survival().quantile(0.1)


def test_no_rows_are_one_empty_part(database: Database) -> None:
    query: Any = select(literal(0).label("severity"), literal(1).label("seconds"), literal(True).label("over"))
    with database.read() as connection:
        [(part, none)] = parts(connection, query.where(literal(1) == 2))
    assert (part, none.survival().n, none.in_time([1.0])) == ({}, 0, None)


def test_each_severity_has_its_target() -> None:
    assert waits(ROWS[2:]).in_time([0, 0, 100]) == pytest.approx(1 / 3)
    assert waits([ROWS[0], *ROWS[2:4]]).in_time([10, 0, 5]) == pytest.approx((1 + 2 * 0.5) / 3)
