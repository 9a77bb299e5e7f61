"""Disputes: hidden until a third person has decided, then side by side; feedback to the people who differed."""

from pipeline.review.cases import deciding
from pipeline.review.cases.values import Choice
from pipeline.review.quality import adjudication, checks
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
        checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 20)
    [copy] = desk.draw(GOLDEN, NOON + 30)
    desk.decide(copy, "ben", "dismiss", NOON + 40)
    [remark] = feedback(desk, "ben")
    assert (remark.case, remark.given, remark.right, remark.by) == (desk.case, "dismiss", "uphold", "golden")
    assert [feedback(desk, name) for name in ("ana", "lea")] == [[], []]
    assert checked(desk, "ben") == 1
