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
from msgspec.structs import replace

from pipeline.contract.messages import SAMPLE_RATE, Flag, Verdict
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import audits, drawing, quality_checks, review_errors, snapshot
from pipeline.review.quality.audits import Judged, JudgedSpeech, Recall, Reviewed
from pipeline.review.quality.figure import Window
from pipeline.review.quality.quality_checks import Kind
from pipeline.review.quality.review_errors import ReviewErrors
from pipeline.review.quality.statistics import Estimate, Share, poisson_interval, wilson
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


def test_two_of_three_people_decide_an_upheld_audit(database: Database, tmp_path: Path) -> None:
    """Of 6 audits, 5 are upheld: of them, 2 are confirmed, 1 by the third person, 1 is refuted, and 1 dispute waits."""
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    speech = [passed(f"a{n}", 10.0 * n) for n in range(6)]
    cases = [one.case for one in store.add([*speech, passed("b", 90)], NOON, [one.id for one in speech], 0.5)]
    store.add([caught("c", 100)], NOON)
    for n, case in enumerate(cases):
        decide(store, case, "uphold" if n < 5 else "dismiss")
    once = read(database)
    assert (once.reviewed, sum(one.count for one in once.found)) == (False, 5)
    opinions: list[tuple[Kind, int, Verdict]] = [("upheld", 0, "uphold"), ("second", 1, "uphold")]
    opinions += [("upheld", n, "dismiss") for n in (2, 3, 4)]
    opinions += [("third", 2, "uphold"), ("third", 3, "dismiss")]
    for kind, n, verdict in opinions:
        with database.write() as connection:
            copy = drawing.copy(connection, evidence, kind, cases[n], f"{kind}{n}", 1.0, LATER + 10)
        store.decide(copy or "", f"{kind} person", Choice(verdict=verdict), LATER + 20)
    found = read(database)
    settled = {one.settled: one.count for one in found.audits if one.violating}
    assert settled == {"uphold": 3, "dismiss": 1, None: 1}
    assert (found.reviewed, found.waiting, sum(one.count for one in found.found)) == (True, 5 / 4, 3)
    assert read(database, Window(NOON, LATER + 15)).reviewed is False, "later opinions do not count"
    recall = audits.recall(found)
    assert recall is not None
    assert recall.found == 3
    assert not recall.corrected, "nobody has checked the decisions on flagged speech"


def test_errors_of_reviewers_come_from_second_opinions_and_golden_cases(database: Database, tmp_path: Path) -> None:
    """A dispute that waits, and the second opinion on an audit, are no evidence about flagged speech."""
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    cases = [one.case for one in store.add([caught(f"c{n}", 100.0 * n) for n in range(5)], NOON)]
    [audit] = store.add([passed("a", 900)], NOON, ["a"], 0.5)
    for case in (*cases, audit.case):
        decide(store, case, "uphold")
    with database.write() as connection:
        quality_checks.mark_golden(connection, cases[4], "lea", "dismiss", LATER)
    given: list[tuple[Kind, str, Verdict]] = [
        ("second", cases[0], "uphold"),
        ("second", cases[1], "dismiss"), ("third", cases[1], "dismiss"),
        ("second", cases[2], "dismiss"), ("third", cases[2], "uphold"),
        ("second", cases[3], "dismiss"),
        ("golden", cases[4], "uphold"),
        ("second", audit.case, "uphold"),
    ]  # fmt: skip
    for n, (kind, case, verdict) in enumerate(given):
        with database.write() as connection:
            copy = drawing.copy(connection, evidence, kind, case, str(n), 1.0, LATER + 10)
        store.decide(copy or "", f"person {n}", Choice(verdict=verdict), LATER + 20)
    found = read(database).errors
    assert found.harmless == Share(2, 3), "one of two opinions, and the answer to the golden case"
    assert found.violating == Share(1, 4)
    assert not found.known, "too few"
    with database.write() as connection:
        audit_log.append(connection, LATER, "lea", "case.golden", cases[4], {"verdict": "dismiss"})
        quality_checks.unmark_golden(connection, cases[4])
        audit_log.append(connection, DAY.until, "lea", "case.golden", cases[4], {"verdict": None})
    assert read(database).errors == found, "what is golden later changes no figure of a past window"


def test_a_third_opinion_decides_in_the_precision(database: Database, tmp_path: Path) -> None:
    store, evidence = SqlReviewStore(database), EvidenceFolder(tmp_path / "clips")
    [case] = store.add([caught("c", 100)], NOON)
    decide(store, case.case, "uphold")
    opinions: list[tuple[Kind, Verdict]] = [("second", "dismiss"), ("third", "uphold")]
    for kind, verdict in opinions:
        with database.write() as connection:
            copy = drawing.copy(connection, evidence, kind, case.case, kind, 1.0, LATER + 10)
        store.decide(copy or "", f"{kind} person", Choice(verdict=verdict), LATER + 20)
    found = audits.precision(reviewed(database))
    assert found is not None
    assert found.value == 1.0


def speech(count: int, verdict: str | None = "dismiss", settled: str | None = None, probability: float = 0.1) -> Any:
    return JudgedSpeech(
        language="zh", model="m", policy="p", room_type="r", count=count, samples=count, squares=count,
        verdict=verdict, settled=settled, probability=probability,
    )  # fmt: skip


def test_what_reviewers_uphold_wrongly_is_taken_off() -> None:
    """The expected counts of 1 % wrong decisions, of 100,000 utterances: 300 are missed, and 700 of 900 flags right."""
    e, n, missed = 0.01, 10_000, 30  # audits, and missed violations among them
    twice, disputed = e**2 * (2 - e), e * (1 - e) ** 2
    upheld = missed * (1 - e) ** 2 * (1 + e) + (n - missed) * twice
    refuted = missed * (1 - e) * e**2 + (n - missed) * disputed
    judged = Judged(
        passed=(speech(100_000, None, probability=1.0),),
        audits=(
            speech(round(upheld), "uphold", "uphold"),
            speech(round(refuted), "uphold", "dismiss"),
            speech(round(n - upheld - refuted)),
        ),
        flagged=(speech(695, "uphold", probability=1.0), speech(205, probability=1.0)),
        errors=ReviewErrors(harmless=Share(4, 400), violating=Share(14, 1_400)),
    )
    found, prevalence = audits.recall(judged), audits.prevalence(judged)
    assert found is not None
    assert prevalence is not None
    assert found.corrected
    assert found.value == pytest.approx(0.7, abs=0.005)
    assert prevalence.value == pytest.approx(1_000 / 100_900, rel=0.01)
    once = audits.recall(replace(judged, audits=(speech(round(upheld + refuted), "uphold"), judged.audits[2])))
    assert once is not None
    assert not once.corrected
    assert once.interval[1] < 0.5, "one person's verdicts give a wrong recall"


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_any_errors_of_reviewers_give_figures_in_range(wrong: int, right: int, missed: int, seen: int) -> None:
    judged = Judged(
        passed=(speech(1_000, None, probability=1.0),),
        audits=(speech(3, "uphold", "uphold"), speech(2, "uphold", "dismiss"), speech(1, "uphold"), speech(50)),
        flagged=(speech(7, "uphold", probability=1.0), speech(5, probability=1.0)),
        errors=ReviewErrors(harmless=Share(wrong, wrong + right), violating=Share(missed, missed + seen)),
    )
    recall, prevalence = audits.recall(judged), audits.prevalence(judged)
    assert recall is not None
    assert prevalence is not None
    for found in (recall, prevalence):
        if not math.isnan(found.value):
            assert 0 <= found.interval[0] <= found.value <= found.interval[1] <= 1
    assert recall.corrected == (wrong < right and missed < seen and wrong + right + missed + seen >= 30)


@given(st.floats(0, 0.3))
def test_the_error_of_two_people_follows_from_their_disputes(error: float) -> None:
    n = 10**9
    disputed = Share(round(n * error * (1 - error) ** 2), n)
    assert review_errors.twice_wrong(disputed, disputed.hits).value == pytest.approx(
        error**2 * (2 - error), rel=0.02, abs=1e-6
    )


def test_the_number_of_needed_audits_follows_from_the_caught_speech() -> None:
    judged = Judged(
        passed=(speech(100_000, None, probability=1.0),),
        audits=(speech(1_000),),
        flagged=(speech(700, "uphold", probability=1.0),),
    )
    assert audits.needed(judged) == math.ceil(162.06 / 700 * 100_000)
    assert audits.needed(replace(judged, flagged=())) is None
    found = audits.recall(judged)
    assert found is not None
    assert found.at_least
    assert 0.6 < found.interval[0] < 0.8


def test_time_before_the_first_tally_is_left_out(database: Database, filled: SqlReviewStore) -> None:
    assert read(database, Window(NOON - 86_400 * 30, DAY.until)) == read(database)


def test_an_empty_store_has_no_recall(database: Database) -> None:
    nothing = read(database)
    assert nothing == Judged()
    assert (audits.recall(nothing), audits.prevalence(nothing), audits.represented(nothing)) == (None, None, None)
    none = Estimate(0.0, (0.0, 0.0))
    assert math.isnan(Recall(none, none, False, 1, 1, 0).value)


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
