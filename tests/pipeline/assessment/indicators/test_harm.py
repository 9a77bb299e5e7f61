"""Exposure and spread equal values computed from the facts, on both databases."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from pipeline.assessment.indicators import harm
from pipeline.assessment.options import Options
from pipeline.contract.messages import Flag, Hit
from pipeline.review.cases.case_values import columns
from pipeline.review.database import Database
from pipeline.review.delivery.room_counts import RoomHour, store_ledger
from pipeline.review.tables.core import CASES, FLAGS
from tests.builders import NOON, flag, released_flag
from tests.pipeline.assessment import world
from tests.pipeline.assessment.reading import WEEK, Key, figures
from tests.pipeline.assessment.tallied import NOON_HOUR
from tests.pipeline.assessment.world import Fact, Given

ILLEGAL = Options(illegal=frozenset({"fraud", "violence"}))


def stopped(fact: Fact) -> float:
    """Return when the violation ended: the confirmed action, or else the decision if it orders no action."""
    upholding = [one for one in fact.standing(WEEK.until) if one.verdict == "uphold"]
    done = [one.done for one in upholding if one.done is not None and one.done < WEEK.until]
    if done:
        return min(done)
    return WEEK.until if any(one.action for one in upholding) else min(one.at for one in upholding)


def milliseconds(fact: Fact) -> int:
    return math.ceil(round((stopped(fact) - fact.flag.end) * 1_000, 4))


def open_rooms(database: Database, **seconds: float) -> None:
    """Store the app's ledger of one hour: the seconds for which rooms of each type were open."""
    lines = [RoomHour(hour=NOON_HOUR, room_type=kind, rooms=9, seconds=long) for kind, long in seconds.items()]
    with database.write() as connection:
        store_ledger(connection, lines, NOON)


def listener_hours(heard: Sequence[Flag], seconds: float) -> float:
    """Return the hours of all listeners of rooms that were open for `seconds`."""
    known = [one for one in heard if one.listeners is not None]
    mean = sum((one.listeners or 0) * (one.end - one.start) for one in known) / len(known)
    return mean / (sum(one.end - one.start for one in heard) / len(heard)) * seconds / 3_600


def test_exposure_is_listeners_by_time(filled: Database, facts: list[Fact]) -> None:
    opened = {"game": 9_000.0, "kids": 6_000.0}
    open_rooms(filled, **opened, unknown=900.0)
    found = figures(filled, harm.exposure, Options())
    heard = [fact.flag for fact in facts if WEEK.contains(fact.flag.start) and not fact.flag.drill]
    by_kind = {
        kind: listener_hours([one for one in heard if one.room_type == kind], seconds)
        for kind, seconds in opened.items()
    }
    upheld = [fact for fact in world.in_week(facts) if fact.flagged and fact.upheld(WEEK.until)]
    parts: dict[Key, tuple[Sequence[Fact], str]] = {
        (): (upheld, ""),
        ("label", "fraud"): ([fact for fact in upheld if fact.flag.flagged[0] == "fraud"], ""),
        ("room_type", "kids"): ([fact for fact in upheld if fact.flag.room_type == "kids"], "kids"),
    }
    for part, (chosen, kind) in parts.items():
        known = [fact for fact in chosen if fact.flag.listeners is not None]
        seconds = sum((fact.flag.listeners or 0) * milliseconds(fact) for fact in known) / 1_000
        hours = by_kind[kind] if kind else sum(by_kind.values())
        assert found["listener_seconds", *part].value == pytest.approx(seconds)
        assert found["per_1000_hours", *part].value == pytest.approx(seconds / hours * 1_000, rel=1e-4)
        assert found["listener_seconds", *part].n == len(known)
        assert found["listener_seconds", *part].whole == (len(known) == len(chosen))


def said(name: str, at: float, room: str, speaker: str, term: str = "term", **changes: object) -> Fact:
    """Return an utterance that a moderator upheld."""
    hits = (Hit(term, "fraud", "high", 0, 3), Hit(term, "fraud", "high", 4, 7))
    spoken = flag(name, at, at + 1, room=room, speaker=speaker, hits=hits, flagged=("fraud",), **changes)
    return Fact(spoken, spoken.end + 1, audited=False, decisions=[Given(spoken.end + 60, "uphold")])


def test_without_confirmations_the_decision_ends_the_exposure(database: Database) -> None:
    fact = said("a", 0, "r", "s", listeners=10)
    fact.decisions[0].action = True
    world.store(database, [fact])
    rate = figures(database, harm.exposure, Options())["per_1000_hours",]
    assert (rate.value, rate.unmeasured) == (None, "needs_ledger")
    open_rooms(database, default=1_800)
    found = figures(database, harm.exposure, Options())
    assert found["listener_seconds",].value == pytest.approx(10 * 60, abs=0.01)
    # 10 listeners in half an hour of speech and silence.
    assert found["per_1000_hours",].value == pytest.approx(600 / 5 * 1_000, rel=1e-4)


def test_words_that_were_withheld_and_released_are_heard_once(database: Database) -> None:
    """Both flags are in the case if the words had another label, too."""
    fact = said("a", 0, "r", "s", listeners=10)
    world.store(database, [fact])
    seconds = figures(database, harm.exposure, Options())["listener_seconds",]
    again = released_flag(fact.flag, suggestion="block")
    with database.write() as connection:
        case = connection.scalar(select(CASES.c.id))
        connection.execute(insert(FLAGS).values(columns(again) | {"case_id": case, "stored_at": fact.stored}))
    assert figures(database, harm.exposure, Options())["listener_seconds",] == seconds


def test_exposure_needs_listeners(database: Database) -> None:
    assert figures(database, harm.exposure, Options())["listener_seconds",].unmeasured == "no_data"
    world.store(database, [said("a", 0, "r", "s")])
    found = figures(database, harm.exposure, Options())
    assert {(one.value, one.unmeasured, one.n) for one in found.values()} == {(None, "needs_listeners", 0)}


def test_a_phrase_spreads_over_rooms_and_speakers(database: Database) -> None:
    hour = 3_600.0
    facts = [
        said("a", 0, "r1", "s1"),
        said("b", hour - 1, "r2", "s2", "TERM"),
        said("c", 2 * hour - 2, "r3", "s2"),
        said("d", 2 * hour - 1, "r4", "s3"),
        said("e", 4 * hour, "r5", "s4"),
        said("f", 10, "r6", "s5", "another term"),
    ]
    dismissed = said("g", 20, "r7", "s6")
    dismissed.decisions[0].verdict = "dismiss"
    harmless = said("h", 30, "r8", "s7", drill="drill-1")
    world.store(database, [*facts, dismissed, harmless])
    found = figures(database, harm.spread, ILLEGAL)
    values = {key[0]: one.value for key, one in found.items() if len(key) == 1}
    assert values == {"clusters": 1, "rooms": 3, "speakers": 2, "longest": 2 * hour - 1}
    assert {one.n for one in found.values()} == {6}
    assert found["rooms", "label", "fraud"].value == 3
    none = figures(database, harm.spread, Options(illegal=frozenset({"fraud"}), spread_rooms=4, spread_speakers=3))
    assert (none["clusters",].value, none["longest",].value, none["longest",].unmeasured) == (0, None, "no_data")


def test_other_labels_do_not_spread(database: Database) -> None:
    world.store(database, [said("a", 0, "r1", "s1")])
    found = figures(database, harm.spread, Options(illegal=frozenset({"violence"})))
    assert {(one.value, one.unmeasured) for one in found.values()} == {(None, "no_data")}


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd")), min_size=1, max_size=25), st.integers(0, 12))
def test_the_sliding_window_finds_the_most_names(uses: list[tuple[int, str]], seconds: int) -> None:
    ordered = sorted((float(at), name) for at, name in uses)
    most = max(len({name for at, name in ordered if first <= at <= first + seconds}) for first, _ in ordered)
    assert harm._most(ordered, seconds) == most


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20), st.integers(1, 20))
def test_chains_contain_every_use_once(times: list[int], seconds: int) -> None:
    uses = [(NOON + at, "room", "speaker") for at in sorted(times)]
    chains = [*harm._chains("fraud", uses, seconds)]
    assert sum(chain.uses for chain in chains) == len(uses)
    breaks = sum(later - earlier > seconds for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False))
    assert len(chains) == breaks + 1
