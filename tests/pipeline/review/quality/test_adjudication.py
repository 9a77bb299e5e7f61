"""Disputes: hidden until a third person has decided, then side by side; feedback to the people who differed."""

import pytest

from pipeline.review.cases import deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.quality import adjudication, quality_checks
from pipeline.review.quality.adjudication import CheckFeedback, Dispute
from tests.builders import NOON
from tests.pipeline.review.quality.conftest import GOLDEN, SECOND, Desk

SINCE = NOON - 1


def disputed(desk: Desk) -> str:
    """Let ben differ from ana's decision, and return the copy for a third person."""
    [second] = desk.draw(SECOND, NOON + 20)
    desk.decide(second, "ben", "dismiss", NOON + 30)
    [third] = desk.draw(SECOND, NOON + 60)
    return third


def found(desk: Desk, *, settled: bool) -> list[Dispute]:
    with desk.database.read() as connection:
        return adjudication.disputes(connection, SINCE, settled=settled)


def feedback(desk: Desk, account: str) -> list[CheckFeedback]:
    with desk.database.read() as connection:
        return adjudication.feedback(connection, account, SINCE)


def checked(desk: Desk, account: str) -> int:
    with desk.database.read() as connection:
        return adjudication.count_checked(connection, account, SINCE)


def test_the_opinions_are_hidden_until_the_third_one_is_in(desk: Desk) -> None:
    third = disputed(desk)
    [waiting] = found(desk, settled=False)
    assert (waiting.case.id, waiting.original, waiting.opinions, waiting.verdict) == (third, desk.case, (), "")
    assert found(desk, settled=True) == []
    assert [feedback(desk, name) for name in ("ana", "ben")] == [[], []]
    with desk.database.write() as connection:
        choice = Choice(verdict="dismiss", reason="joke", note="A line of the game.")
        decision = deciding.decide(connection, third, "lea", choice, NOON + 100)
    assert found(desk, settled=False) == []
    [settled] = found(desk, settled=True)
    assert [(one.moderator, one.verdict) for one in settled.opinions] == [
        ("ana", "uphold"),
        ("ben", "dismiss"),
        ("lea", "dismiss"),
    ]
    [remark] = feedback(desk, "ana")
    assert (remark.case, remark.given, remark.right, remark.by) == (desk.case, "uphold", "dismiss", "third")
    assert (remark.reason, remark.note) == ("joke", "A line of the game.")
    assert (feedback(desk, "ben"), feedback(desk, "lea")) == ([], [])
    with desk.database.write() as connection:
        deciding.undo(connection, decision.id, "lea", NOON + 105)
    assert len(found(desk, settled=False)) == 1


def test_the_second_person_hears_it_if_the_third_one_sides_with_the_first(desk: Desk) -> None:
    desk.decide(disputed(desk), "lea", "uphold", NOON + 100)
    assert (len(feedback(desk, "ana")), len(feedback(desk, "ben"))) == (0, 1)
    assert (checked(desk, "ana"), checked(desk, "ben")) == (1, 0)


def test_a_wrong_answer_to_a_golden_case_is_told_only_to_the_person(desk: Desk) -> None:
    with desk.database.write() as connection:
        quality_checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 20)
    [copy] = desk.draw(GOLDEN, NOON + 30)
    desk.decide(copy, "ben", "dismiss", NOON + 40)
    [remark] = feedback(desk, "ben")
    assert (remark.case, remark.given, remark.right, remark.by) == (desk.case, "dismiss", "uphold", "golden")
    assert [feedback(desk, name) for name in ("ana", "lea")] == [[], []]
    assert checked(desk, "ben") == 1


def test_a_golden_case_names_who_was_right_and_who_was_wrong(desk: Desk) -> None:
    with desk.database.write() as connection:
        quality_checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 20)
    [copy] = desk.draw(GOLDEN, NOON + 30)
    desk.decide(copy, "ben", "uphold", NOON + 40)
    with desk.database.read() as connection:
        [one] = adjudication.golden_cases(connection, NOON + 50)
        assert adjudication.golden_cases(connection, NOON + 50 + quality_checks.FORGET_SECONDS)[0].right == ()
    assert (one.case.id, one.verdict, one.marked_by, one.right, one.wrong) == (desk.case, "uphold", "lea", ("ben",), ())
    with desk.database.write() as connection:
        quality_checks.unmark_golden(connection, desk.case)
        assert adjudication.golden_cases(connection, NOON + 60) == []


def test_a_case_on_which_two_people_agree_is_proposed_until_it_is_golden(desk: Desk) -> None:
    [second] = desk.draw(SECOND, NOON + 20)
    with desk.database.read() as connection:
        assert adjudication.golden_proposals(connection, NOON + 25) == []
    desk.decide(second, "ben", "uphold", NOON + 30)
    with desk.database.write() as connection:
        [one] = adjudication.golden_proposals(connection, NOON + 40)
        assert (one.case.id, one.verdict, one.people) == (desk.case, "uphold", ("ana", "ben"))
        quality_checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 50)
        assert adjudication.golden_proposals(connection, NOON + 60) == []


def test_people_who_differ_agree_on_nothing_until_a_third_decides(desk: Desk) -> None:
    [second] = desk.draw(SECOND, NOON + 20)
    desk.decide(second, "ben", "dismiss", NOON + 30)
    [third] = desk.draw(SECOND, NOON + 60)
    with desk.database.read() as connection:
        assert adjudication.golden_proposals(connection, NOON + 70) == []
    desk.decide(third, "lea", "dismiss", NOON + 80)
    with desk.database.read() as connection:
        [one] = adjudication.golden_proposals(connection, NOON + 90)
    assert (one.verdict, one.people) == ("dismiss", ("ben", "lea"))


@pytest.mark.parametrize(("most", "right"), [(0, ()), (1, ("ben",))])
def test_only_the_newest_answers_are_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, most: int, right: tuple[str, ...]
) -> None:
    monkeypatch.setattr(adjudication, "ANSWERS", most)
    with desk.database.write() as connection:
        quality_checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 20)
    [copy] = desk.draw(GOLDEN, NOON + 30)
    desk.decide(copy, "ben", "uphold", NOON + 40)
    with desk.database.read() as connection:
        [one] = adjudication.golden_cases(connection, NOON + 50)
    assert one.right == right


@pytest.mark.parametrize("most", [0, 1])
def test_only_the_newest_pairs_are_read(desk: Desk, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(adjudication, "PAIRS", most)
    [second] = desk.draw(SECOND, NOON + 20)
    desk.decide(second, "ben", "uphold", NOON + 30)
    with desk.database.read() as connection:
        assert len(adjudication.golden_proposals(connection, NOON + 40)) == most
