"""The list of golden cases, the answers to each, and proposals."""

import pytest

from pipeline.review.quality import checks, golden
from tests.builders import NOON
from tests.pipeline.review.quality.conftest import GOLDEN, SECOND, Desk


def test_a_golden_case_names_who_was_right_and_who_was_wrong(desk: Desk) -> None:
    with desk.database.write() as connection:
        checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 20)
    [copy] = desk.draw(GOLDEN, NOON + 30)
    desk.decide(copy, "ben", "uphold", NOON + 40)
    with desk.database.read() as connection:
        [one] = golden.golden_cases(connection, NOON + 50)
        assert golden.golden_cases(connection, NOON + 50 + checks.FORGET_SECONDS)[0].right == ()
    assert (one.case.id, one.verdict, one.marked_by, one.right, one.wrong) == (desk.case, "uphold", "lea", ("ben",), ())
    with desk.database.write() as connection:
        checks.unmark_golden(connection, desk.case)
        assert golden.golden_cases(connection, NOON + 60) == []


def test_a_case_on_which_two_people_agree_is_proposed_until_it_is_golden(desk: Desk) -> None:
    [second] = desk.draw(SECOND, NOON + 20)
    with desk.database.read() as connection:
        assert golden.golden_proposals(connection, NOON + 25) == []
    desk.decide(second, "ben", "uphold", NOON + 30)
    with desk.database.write() as connection:
        [one] = golden.golden_proposals(connection, NOON + 40)
        assert (one.case.id, one.verdict, one.people) == (desk.case, "uphold", ("ana", "ben"))
        checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 50)
        assert golden.golden_proposals(connection, NOON + 60) == []


def test_people_who_differ_agree_on_nothing_until_a_third_decides(desk: Desk) -> None:
    [second] = desk.draw(SECOND, NOON + 20)
    desk.decide(second, "ben", "dismiss", NOON + 30)
    [third] = desk.draw(SECOND, NOON + 60)
    with desk.database.read() as connection:
        assert golden.golden_proposals(connection, NOON + 70) == []
    desk.decide(third, "lea", "dismiss", NOON + 80)
    with desk.database.read() as connection:
        [one] = golden.golden_proposals(connection, NOON + 90)
    assert (one.verdict, one.people) == ("dismiss", ("ben", "lea"))


@pytest.mark.parametrize(("most", "right"), [(0, ()), (1, ("ben",))])
def test_only_the_newest_answers_are_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, most: int, right: tuple[str, ...]
) -> None:
    monkeypatch.setattr(golden, "ANSWERS", most)
    with desk.database.write() as connection:
        checks.mark_golden(connection, desk.case, "lea", "uphold", NOON + 20)
    [copy] = desk.draw(GOLDEN, NOON + 30)
    desk.decide(copy, "ben", "uphold", NOON + 40)
    with desk.database.read() as connection:
        [one] = golden.golden_cases(connection, NOON + 50)
    assert one.right == right


@pytest.mark.parametrize("most", [0, 1])
def test_only_the_newest_pairs_are_read(desk: Desk, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(golden, "PAIRS", most)
    [second] = desk.draw(SECOND, NOON + 20)
    desk.decide(second, "ben", "uphold", NOON + 30)
    with desk.database.read() as connection:
        assert len(golden.golden_proposals(connection, NOON + 40)) == most
