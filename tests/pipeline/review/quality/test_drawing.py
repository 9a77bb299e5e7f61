"""Checks: which are drawn, who may decide them, and that a copy has no outside effect."""

from sqlalchemy import select

from pipeline.review.cases import case_queue, deciding, speaker_measures
from pipeline.review.cases.case_queue import QueueFilter, Without
from pipeline.review.cases.case_values import ClipPiece, Filters
from pipeline.review.quality import agreement_figures, quality_checks
from pipeline.review.quality.drawing import Shares
from pipeline.review.tables.case_tables import CHECKS
from pipeline.review.tables.core import DECISIONS
from tests.builders import NOON, flag
from tests.pipeline.review.people import PEOPLE
from tests.pipeline.review.quality.conftest import GOLDEN, SECOND, Desk


def test_a_second_opinion_is_drawn_once_after_the_undo_window(desk: Desk) -> None:
    assert desk.draw(SECOND, NOON + 9) == []
    [copy] = desk.draw(SECOND, NOON + 11)
    assert desk.draw(SECOND, NOON + 12) == []
    [case] = desk.waiting()
    assert (case.id, case.status, case.text, case.created_at) == (copy, "pending", "弄死你 a", NOON + 11)
    file = desk.store.case(copy)
    assert [one.text for one in file.flags] == ["弄死你 a"]
    assert file.decisions == ()
    assert desk.evidence.get(file.evidence[0].path) == b"clip"
    assert file.evidence[0].path != desk.store.case(desk.case).evidence[0].path


def test_five_people_decide_a_hundred_checks_of_each_other(desk: Desk) -> None:
    people = list(PEOPLE)
    flags = [flag(str(n), 100 + 20 * n, 105 + 20 * n) for n in range(99)]
    for n, outcome in enumerate(desk.store.add(flags, NOON)):
        desk.decide(outcome.case, people[(n + 1) % 5], "uphold", NOON)
    copies = desk.draw(SECOND, NOON + 11)
    barred = {name: _barred(desk, name) for name in people}
    assert [len(barred[name]) for name in people] == [20] * 5
    assert set.union(*map(set, barred.values())) == set(copies)
    for n in range(100):
        name = people[n % 5]
        with desk.database.write() as connection:
            without = Without(cases=quality_checks.barred(connection, name, NOON + 12))
            case = case_queue.next_free(connection, name, NOON + 12, QueueFilter(without=without))
        assert case, f"{name} may decide none of the {100 - n} waiting checks"
        desk.decide(case, name, "uphold", NOON + 12)
        assert _barred(desk, name) <= barred[name]
    assert desk.waiting() == []


def _barred(desk: Desk, name: str) -> frozenset[str]:
    with desk.database.read() as connection:
        return quality_checks.barred(connection, name, NOON + 12)


def test_a_copy_has_no_effect_outside(desk: Desk) -> None:
    events = desk.events()
    [copy] = desk.draw(SECOND, NOON + 11)
    desk.decide(copy, "ben", "uphold", NOON + 12)
    assert desk.events() == events
    with desk.database.read() as connection:
        assert speaker_measures.count_strikes(connection, ["ann"], 0) == {"ann": 1}
    assert [case.id for case in desk.store.cases(Filters())] == [desk.case]


def test_new_flags_do_not_join_a_copy(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    [outcome] = desk.store.add([flag("b", 4, 8)], NOON + 12)
    assert (outcome.result, outcome.case == copy) == ("created", False)


def test_a_third_opinion_settles_a_disagreement(desk: Desk) -> None:
    [second] = desk.draw(SECOND, NOON + 11)
    desk.decide(second, "ben", "dismiss", NOON + 20)
    assert desk.draw(SECOND, NOON + 25) == []  # ben can still undo it
    [third] = desk.draw(SECOND, NOON + 31)
    with desk.database.read() as connection:
        assert {who for who in ("ana", "ben", "lea") if quality_checks.barred(connection, who, NOON + 31)} == {
            "ana",
            "ben",
        }
        [pair] = agreement_figures.pairs(connection, NOON)
        assert (pair.first.verdict, pair.second.verdict, pair.settled) == ("uphold", "dismiss", None)
    desk.decide(third, "lea", "dismiss", NOON + 40)
    assert desk.draw(SECOND, NOON + 60) == []
    with desk.database.read() as connection:
        [pair] = agreement_figures.pairs(connection, NOON)
    assert (pair.settled, pair.third and pair.third.moderator) == ("dismiss", "lea")


def test_each_upheld_audit_gets_a_second_and_a_third_opinion(desk: Desk) -> None:
    """None of these decisions is in the random share."""
    few = Shares(second=1e-9, golden=0.0)
    names = ("upheld", "dismissed", "other")
    said = [flag(name, 100 + n, 101 + n, suggestion="pass", flagged=()) for n, name in enumerate(names)]
    upheld, dismissed, _ = (one.case for one in desk.store.add(said, NOON + 200, names, 0.5))
    desk.decide(upheld, "ana", "uphold", NOON + 300)
    desk.decide(dismissed, "ana", "dismiss", NOON + 300)
    assert desk.draw(few, NOON + 305) == []  # ana can still undo it
    assert desk.draw(Shares(second=0.0, golden=0.0), NOON + 400) == [], "second opinions are off"
    # A day without a console: older than what is drawn at random.
    [second] = desk.draw(few, NOON + 86_400)
    assert desk.draw(few, NOON + 86_500) == []
    desk.decide(second, "ben", "dismiss", NOON + 86_600)
    [third] = desk.draw(few, NOON + 86_700)
    with desk.database.read() as connection:
        assert agreement_figures.pairs(connection, 0) == [], "it is no random sample of decisions"
        [pair] = agreement_figures.pairs(connection, 0, kinds=quality_checks.SECONDS)
        assert (pair.original, pair.second.verdict, pair.settled) == (upheld, "dismiss", None)
        found = [quality_checks.check_of(connection, case) for case in (second, third)]
        barred = {who for who in PEOPLE if third in quality_checks.barred(connection, who, NOON + 86_700)}
    assert [(one.kind, one.original, one.probability) for one in found if one] == [
        ("upheld", upheld, 1.0),
        ("third", upheld, 1.0),
    ]
    assert barred == {"ana", "ben"}


def test_an_upheld_audit_that_was_drawn_at_random_gets_no_other_opinion(desk: Desk) -> None:
    said = flag("audit", 100, 101, suggestion="pass", flagged=())
    [audit] = desk.store.add([said], NOON + 200, ["audit"], 0.5)
    desk.decide(audit.case, "ana", "uphold", NOON + 300)
    desk.draw(SECOND, NOON + 400)
    with desk.database.read() as connection:
        kinds = connection.scalars(select(CHECKS.c.kind).where(CHECKS.c.original == audit.case)).all()
    assert kinds == ["second"]


def test_an_undone_check_waits_again(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    desk.decide(copy, "ben", "dismiss", NOON + 12)
    with desk.database.write() as connection:
        [last] = deciding.last_of(connection, "ben", NOON)
        deciding.undo(connection, last.id, "ben", NOON + 13)
        assert agreement_figures.pairs(connection, NOON) == []
        assert quality_checks.barred(connection, "ben", NOON + 13) == frozenset()
    assert desk.draw(SECOND, NOON + 30) == []


def test_a_copy_of_a_golden_case_looks_like_a_new_case(desk: Desk) -> None:
    with desk.database.write() as connection:
        quality_checks.mark_golden(connection, desk.case, "lea", "dismiss", NOON + 1)
    [copy] = desk.draw(GOLDEN, NOON + 3_600)
    assert desk.draw(GOLDEN, NOON + 3_601) == []
    file = desk.store.case(copy)
    assert (file.case.start, file.flags[0].end) == (NOON + 3_600, NOON + 3_605)
    assert file.evidence[0].timeline == (ClipPiece(0, NOON + 3_600, 5),)
    with desk.database.read() as connection:
        # ana decided the original, and lea set the golden verdict.
        assert [bool(quality_checks.barred(connection, who, NOON + 3_601)) for who in ("ana", "ben", "lea")] == [
            True,
            False,
            True,
        ]
        assert not quality_checks.barred(connection, "ana", NOON + quality_checks.FORGET_SECONDS + 1)
    desk.decide(copy, "ben", "uphold", NOON + 3_610)
    with desk.database.read() as connection:
        [answer] = agreement_figures.answers(connection, NOON)
        assert (answer.correct, answer.given.moderator, answer.original) == (False, "ben", desk.case)


def test_nobody_can_tell_before_which_decision_is_checked(desk: Desk) -> None:
    """A moderator can compute the id of a decision. Only the key of the store tells whether it is drawn."""
    for n, outcome in enumerate(desk.store.add([flag(str(n), 20 * n, 20 * n + 5) for n in range(1, 100)], NOON)):
        desk.decide(outcome.case, "ana", "uphold", NOON + n / 100)
    desk.draw(Shares(second=0.5, golden=0.0), NOON + 20)
    with desk.database.read() as connection:
        ids = {row.case_id: row.id for row in connection.execute(select(DECISIONS))}
        checked = {ids[case] for case in connection.scalars(select(CHECKS.c.original))}
        key = quality_checks.draw_key(connection)
    assert len(key) == 32
    assert checked == {one for one in ids.values() if quality_checks.drawn("second", one, 0.5, key)}
    assert checked != {one for one in ids.values() if quality_checks.drawn("second", one, 0.5)}
    assert 30 <= len(checked) <= 70
