"""Recall, prevalence and precision from audits and second opinions in a real store, compared with sums made by hand."""

import math
import random
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import SAMPLE_RATE, Flag, Verdict
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import audits, drawing, snapshot
from pipeline.review.quality.audits import Judged, JudgedSpeech, Recall, Reviewed
from pipeline.review.quality.figure import Window
from pipeline.review.quality.statistics import Estimate, poisson_interval, wilson
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag, released_flag, withheld_flag

DAY = Window(NOON, NOON + 86_400)
LATER = NOON + 3_600


def passed(name: str, at: float, seconds: float = 2.0, **changes: Any) -> Flag:
    return flag(name, at, at + seconds, **{"suggestion": "pass", "flagged": (), "hits": (), "speaker": name} | changes)


def caught(name: str, at: float, seconds: float = 2.0, **changes: Any) -> Flag:
    return flag(name, at, at + seconds, **{"speaker": name} | changes)


def decide(store: SqlReviewStore, case: str, verdict: Verdict, at: float = LATER, label: str | None = None) -> None:
    store.decide(case, "ana", Choice(verdict=verdict, label=label), at)


def read(database: Database, window: Window = DAY) -> Judged:
    with database.read() as connection:
        snapshot.take(connection, window.until)
        return audits.read_judged(connection, window)


def reviewed(database: Database) -> Reviewed:
    with database.read() as connection:
        snapshot.take(connection, DAY.until)
        return audits.read_reviewed(connection, DAY)


@pytest.fixture
def filled(database: Database) -> SqlReviewStore:
    """Store 100 passed utterances and 5 flagged ones.

    Of the first 60 passed utterances, 6 were drawn with the probability 0.1. Of the other 40, 8 were drawn with 0.2.
    Of the 6, 1 is upheld, 3 are dismissed and 2 wait. Of the 8, 2 are upheld and 6 dismissed. Of the 5 flagged ones, 3
    are upheld, 1 is dismissed and 1 waits.
    """
    store = SqlReviewStore(database)
    first = store.add([passed(f"a{n}", 10.0 * n) for n in range(60)], NOON, [f"a{n}" for n in range(6)], 0.1)
    other = [passed(f"b{n}", 600 + 10.0 * n, 4.0, language="en") for n in range(40)]
    second = store.add(other, NOON + 700, [f"b{n}" for n in range(8)], 0.2)
    for case, verdict in zip(first, ("uphold", "dismiss", "dismiss", "dismiss"), strict=False):
        decide(store, case.case, verdict, label="abuse" if verdict == "uphold" else None)  # type: ignore[arg-type]
    for n, case in enumerate(second):
        decide(store, case.case, "uphold" if n < 2 else "dismiss", label="hate" if n < 2 else None)
    found = store.add([caught(f"c{n}", 2_000 + 10.0 * n, 3.0) for n in range(5)], NOON + 2_100)
    for case, verdict in zip(found, ("uphold", "uphold", "uphold", "dismiss"), strict=False):
        decide(store, case.case, verdict)  # type: ignore[arg-type]
    return store


SCALE = 100 / (4 * 10 + 8 * 5)
"""The decided audits stand for 80 utterances, but 100 were passed."""


def test_recall(database: Database, filled: SqlReviewStore) -> None:
    found = audits.recall(read(database))
    assert found is not None
    assert (found.audited, found.decided, found.found) == (14, 12, 3)
    missed, all_caught = SCALE * (10 + 2 * 5), 3 / 4 * 5
    assert found.missed.value == pytest.approx(missed)
    assert found.caught.value == pytest.approx(all_caught)
    assert found.value == pytest.approx(all_caught / (all_caught + missed))
    weights = [SCALE * 10] * 4 + [SCALE * 5] * 8
    unit = sum(w * (w - 1) for w in weights) / sum(w - 1 for w in weights)
    low, high = poisson_interval((missed - 3) / unit)
    assert found.missed.interval == pytest.approx((3 + unit * low, 3 + unit * high))
    # One of 5 flagged utterances waits, so each decided one stands for 1.25.
    share = wilson(0.75, 5**2 / (4 * 1.25 * 0.25))
    assert found.caught.interval == pytest.approx((5 * share[0], 5 * share[1]))
    assert found.interval[0] < found.value < found.interval[1]


def test_recall_and_prevalence_of_a_label(database: Database, filled: SqlReviewStore) -> None:
    """The label of an audit is the one that the moderator gave."""
    judged = read(database)
    assert judged.labels() == ["abuse", "hate", "violence"]
    abuse, violence = audits.recall(judged, "abuse"), audits.recall(judged, "violence")
    assert abuse is not None
    assert violence is not None
    assert abuse.caught.value == 0
    assert abuse.missed.value == pytest.approx(SCALE * 10)
    assert (abuse.value, abuse.interval) == (0.0, (0.0, 1.0))
    assert (violence.missed.value, violence.value) == (0, 1.0)
    seconds = audits.prevalence(judged, "hate")
    assert seconds is not None
    # The seconds of the decided audits stand for all passed seconds.
    scale = (60 * 2 + 40 * 4) / (4 * 10 * 2 + 8 * 5 * 4)
    assert seconds.value == pytest.approx(2 * scale * 5 * 4 / (60 * 2 + 40 * 4 + 5 * 3))


def test_recall_of_a_language(database: Database, filled: SqlReviewStore) -> None:
    """In English, 8 audits stand for 40 utterances, and nothing was caught."""
    judged = read(database)
    assert judged.values("language") == ["en", "zh"]
    found = audits.recall(judged.part("language", "en"))
    assert found is not None
    assert found.missed.value == pytest.approx(10)
    assert (found.caught.value, found.decided) == (0, 8)


def test_prevalence(database: Database, filled: SqlReviewStore) -> None:
    found = audits.prevalence(read(database))
    spoken = 60 * 2 + 40 * 4
    violating = spoken * (10 * 2 + 2 * 5 * 4) / (4 * 10 * 2 + 8 * 5 * 4) + 3 / 4 * 5 * 3
    assert found is not None
    assert found.value == pytest.approx(violating / (spoken + 5 * 3))
    assert found.interval[0] < found.value < found.interval[1]


def test_the_audits_stand_for_all_passed_speech(database: Database, filled: SqlReviewStore) -> None:
    assert audits.represented(read(database)) == pytest.approx((6 * 10 + 8 * 5) / 100)
    filled.add([passed(f"late{n}", 3_000 + n) for n in range(100)], NOON + 3_200)
    assert audits.represented(read(database)) == pytest.approx(0.5)


def test_audits_stand_for_no_more_than_all_speech(database: Database) -> None:
    """Of 10 utterances, 4 were drawn with the probability 0.3."""
    SqlReviewStore(database).add([passed(f"a{n}", n) for n in range(10)], NOON + 20, [f"a{n}" for n in range(4)], 0.3)
    assert audits.represented(read(database)) == 1.0


@given(st.integers(0, 2**32))
def test_figures_of_small_cells_stay_in_range(seed: int) -> None:
    """A handful of audits, of which most are upheld, and some are much longer than the other speech."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    fields: dict[str, Any] = {"language": "zh", "model": "m", "policy": "p", "room_type": "default"}
    passed_ = rng.randint(1, 60)
    seconds = rng.choices((1, 2, 15), k=passed_)
    drawn = rng.sample(range(passed_), rng.randint(1, min(passed_, 6)))
    audited = tuple(
        JudgedSpeech(
            **fields,
            count=1,
            samples=seconds[place],
            squares=seconds[place] ** 2,
            verdict=rng.choice(("uphold", "uphold", "dismiss")),
            probability=rng.uniform(0.02, 0.5),
        )
        for place in drawn
    )
    flagged = tuple(
        JudgedSpeech(**fields, count=n, samples=3 * n, squares=9 * n, verdict=verdict)
        for verdict in ("uphold", "dismiss", None)
        if (n := rng.randint(0, 3))
    )
    speech = JudgedSpeech(**fields, count=passed_, samples=sum(seconds))
    judged = Judged(passed=(speech,), audits=audited, flagged=flagged)
    prevalence, recall = audits.prevalence(judged), audits.recall(judged)
    assert prevalence is not None
    assert recall is not None
    for found in (prevalence, recall):
        if not math.isnan(found.value):
            assert 0 <= found.interval[0] <= found.value <= found.interval[1] <= 1


def test_verdicts_count_as_they_stood_at_the_end_of_the_window(database: Database, filled: SqlReviewStore) -> None:
    early = audits.recall(read(database, Window(NOON, LATER)))
    assert early is None
    assert audits.recall(read(database, Window(NOON, LATER + 1))) is not None


def test_drills_reports_copies_and_linked_flags_do_not_count(
    database: Database, filled: SqlReviewStore, tmp_path: Path
) -> None:
    before = read(database)
    filled.add([caught("drill", 2_500, drill="d1")], NOON + 2_600)
    filled.add([caught("c0", 2_000.0, 3.0, id="again")], NOON + 2_601)
    original = next(one for one in filled_cases(filled) if one[1] == "c1")[0]
    with database.write() as connection:
        drawing.copy(connection, EvidenceFolder(tmp_path / "clips"), "golden", original, "any", 1.0, NOON + 2_602)
    after = read(database)
    assert (after.audits, after.flagged) == (before.audits, before.flagged)


def filled_cases(store: SqlReviewStore) -> list[tuple[str, str]]:
    return [(case.id, case.speaker) for case in store.cases(Filters(), limit=200)]


def test_precision_comes_from_the_blind_second_opinions(
    database: Database, filled: SqlReviewStore, tmp_path: Path
) -> None:
    evidence = EvidenceFolder(tmp_path / "clips")
    assert audits.precision(reviewed(database)) is None
    cases = {speaker: case for case, speaker in filled_cases(filled)}
    with database.write() as connection:
        drawn = (("c0", 0.9, "uphold"), ("c1", 0.9, "dismiss"), ("c3", 0.45, "dismiss"), ("a0", 0.5, "uphold"))
        copies = [
            (drawing.copy(connection, evidence, "second", cases[name], name, share, LATER + 10), verdict)
            for name, share, verdict in drawn
        ]
    for copy, verdict in copies:
        filled.decide(copy or "", "ben", Choice(verdict=verdict), LATER + 20)  # type: ignore[arg-type]
    # The audit a0 was passed, so its second opinion says nothing about the precision. The other 3 stand for 5 cases.
    light, heavy = 5 / 4, 10 / 4
    found = audits.precision(reviewed(database))
    assert found is not None
    assert found.value == pytest.approx(light / 5)
    size = 5**2 / (2 * light * (light - 1) + heavy * (heavy - 1))
    assert found.interval == pytest.approx(wilson(light / 5, size))
    assert reviewed(database).values("label") == ["violence"]
    assert audits.precision(reviewed(database).part("label", "violence")) == found
    assert audits.precision(reviewed(database).part("label", "hate")) is None


def test_time_before_the_first_tally_is_left_out(database: Database, filled: SqlReviewStore) -> None:
    assert read(database, Window(NOON - 86_400 * 30, DAY.until)) == read(database)


def test_an_empty_store_has_no_recall(database: Database) -> None:
    nothing = read(database)
    assert nothing == Judged()
    assert (audits.recall(nothing), audits.prevalence(nothing), audits.represented(nothing)) == (None, None, None)
    none = Estimate(0.0, (0.0, 0.0))
    assert math.isnan(Recall(none, none, 1, 1, 0).value)


def test_a_severity_without_decisions_counts_like_the_others() -> None:
    """All 4 decided cases of high severity are upheld; none of the 6 of low severity is decided."""
    fields: dict[str, Any] = {"language": "zh", "model": "m", "policy": "p", "room_type": "default"}
    high = JudgedSpeech(**fields, count=4, samples=40, squares=400, verdict="uphold", severity=2)
    low = JudgedSpeech(**fields, count=6, samples=60, squares=600)
    audit = JudgedSpeech(**fields, count=1, samples=10, squares=100, verdict="dismiss", probability=0.1)
    everything = JudgedSpeech(**fields, count=10, samples=100)
    found = audits.recall(Judged(passed=(everything,), audits=(audit,), flagged=(high, low)))
    assert found is not None
    assert found.caught.value == pytest.approx(10)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_speech_that_was_withheld_and_then_released_counts_once(database: Database, order: Sequence[int]) -> None:
    """It counts as flagged, and its audit is no sample of passed speech, in whatever order the flags arrive."""
    first = withheld_flag("a", 10, 12, withheld=("abuse", "violence"))
    flags = [first, released_flag(first), released_flag(first, "abuse")]
    store = SqlReviewStore(database)
    store.add([passed("b", 100), withheld_flag("c", 200, 202)], NOON + 300, ["b"], 0.5)
    for place in order:
        store.add([flags[place]], NOON + 300, [first.id], 0.5)
    [case] = [case for case in store.cases(Filters()) if case.suggestion != "pass"]
    decide(store, case.id, "uphold")
    found = read(database)
    assert [(one.count, one.samples) for one in found.flagged] == [(1, 2 * SAMPLE_RATE)]
    assert sum(one.count for one in found.passed) == 2, "the other utterance waits in vain"
    assert [(one.count, one.verdict) for one in found.audits] == [(1, None)]


def test_an_audit_of_speech_that_is_never_released_stays_in_the_sample(database: Database) -> None:
    waiting = withheld_flag("a", 10, 12)
    store = SqlReviewStore(database)
    [audit] = store.add([waiting], NOON + 300, [waiting.id], 0.5)
    store.add([caught("b", 100)], NOON + 300)
    decide(store, audit.case, "uphold", label="violence")
    assert [(one.count, one.verdict) for one in read(database).audits] == [(1, "uphold")]
