"""Figures of quality: agreement, golden answers, and confirmed flags."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contract.messages import Verdict
from pipeline.review.cases import deciding
from pipeline.review.cases.case_values import Choice
from pipeline.review.quality import agreement_figures, drawing, quality_checks
from pipeline.review.quality.agreement_figures import ENOUGH, Opinion, Pair
from pipeline.review.quality.statistics import Share
from tests.builders import NOON, flag
from tests.pipeline.review.quality.conftest import SECOND, Desk

VERDICTS = st.sampled_from(["uphold", "dismiss"])


def opinion(verdict: str, who: str = "ana") -> Opinion:
    return Opinion(verdict, who, NOON)


def pair(first: str, second: str, label: str = "abuse", third: str | None = None) -> Pair:
    settling = opinion(third, "lea") if third else None
    return Pair("o", label, opinion(first), opinion(second, "ben"), settling)


def undo(desk: Desk, who: str, at: float) -> None:
    with desk.database.write() as connection:
        [last] = deciding.last_of(connection, who, NOON)
        deciding.undo(connection, last.id, who, at)


@given(VERDICTS, VERDICTS, st.none() | VERDICTS)
def test_two_equal_opinions_settle_a_case(first: str, second: str, third: str | None) -> None:
    found = pair(first, second, third=third)
    assert found.agrees == (first == second)
    assert found.settled == (first if first == second else third)


@given(st.lists(st.tuples(VERDICTS, VERDICTS, st.sampled_from("abc")), max_size=20))
def test_the_labels_share_all_pairs_and_the_largest_comes_first(drawn: list[tuple[str, str, str]]) -> None:
    pairs = [pair(*one) for one in drawn]
    whole, parts = agreement_figures.agreement(pairs), agreement_figures.by_label(pairs)
    assert whole.share == Share(sum(one.agrees for one in pairs), len(pairs))
    assert whole.share.n == whole.kappa.n == sum(part.share.n for part in parts.values())
    assert whole.share.hits == sum(part.share.hits for part in parts.values())
    sizes = [(-part.share.n, label) for label, part in parts.items()]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(("count", "enough"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_few_pairs_give_no_figure(count: int, enough: bool) -> None:
    assert agreement_figures.agreement([pair("uphold", "uphold")] * count).enough == enough


def test_a_pair_needs_a_standing_second_opinion(desk: Desk) -> None:
    def verdicts(since: float = NOON) -> list[tuple[str, str, str, str]]:
        with desk.database.read() as connection:
            found = agreement_figures.pairs(connection, since)
        return [(one.first.moderator, one.first.verdict, one.second.moderator, one.second.verdict) for one in found]

    [copy] = desk.draw(SECOND, NOON + 11)
    assert verdicts() == []
    desk.decide(copy, "ben", "escalate", NOON + 12)
    assert verdicts() == []
    desk.decide(copy, "lea", "dismiss", NOON + 13)
    assert verdicts() == verdicts(NOON + 11) == [("ana", "uphold", "lea", "dismiss")]
    assert verdicts(NOON + 11.5) == []
    undo(desk, "lea", NOON + 14)
    assert verdicts() == []


def test_a_pair_keeps_the_first_opinion_after_an_appeal(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    desk.decide(copy, "ben", "uphold", NOON + 12)
    with desk.database.write() as connection:
        case = desk.store.case(desk.case).case
        deciding.add_decision(connection, case, "lea", Choice(verdict="dismiss"), NOON + 90)
    with desk.database.read() as connection:
        [found] = agreement_figures.pairs(connection, NOON)
        assert (found.original, found.label) == (desk.case, "violence")
        assert (found.agrees, found.settled) == (True, "uphold")


@pytest.mark.parametrize(("right", "correct"), [("uphold", True), ("dismiss", False)])
def test_an_answer_is_correct_if_it_is_the_golden_verdict(desk: Desk, right: Verdict, correct: bool) -> None:
    with desk.database.write() as connection:
        quality_checks.mark_golden(connection, desk.case, "lea", right, NOON + 1)
        copy = drawing.copy(connection, desk.evidence, "golden", desk.case, "any", 1.0, NOON + 60)
        assert copy is not None
        assert agreement_figures.answers(connection, NOON) == []
    desk.decide(copy, "ben", "uphold", NOON + 70)
    with desk.database.read() as connection:
        found = agreement_figures.answers(connection, NOON)
        assert agreement_figures.answers(connection, NOON + 61) == []
    assert [(one.original, one.copy, one.right, one.given.verdict) for one in found] == [
        (desk.case, copy, right, "uphold")
    ]
    assert agreement_figures.correct(found) == Share(int(correct), 1)
    undo(desk, "ben", NOON + 71)
    with desk.database.read() as connection:
        assert agreement_figures.answers(connection, NOON) == []


def test_confirmed_counts_cases_that_were_decided_lately_by_label(desk: Desk) -> None:
    def found(since: float, until: float = math.inf) -> dict[str, tuple[int, int]]:
        with desk.database.read() as connection:
            return {
                label: (one.hits, one.n) for label, one in agreement_figures.confirmed(connection, since, until).items()
            }

    flags = [flag(f"h{n}", 100 * n, 100 * n + 5, flagged=("hate",)) for n in range(1, 4)]
    first, second, third = (outcome.case for outcome in desk.store.add(flags, NOON))
    desk.decide(first, "ben", "dismiss", NOON + 20)
    desk.decide(second, "ben", "uphold", NOON + 21)
    desk.decide(third, "ben", "escalate", NOON + 22)
    assert found(NOON) == {"hate": (1, 2), "violence": (1, 1)}
    assert found(NOON + 21) == {"hate": (1, 1)}
    assert found(NOON, NOON + 21) == {"hate": (0, 1), "violence": (1, 1)}
    undo_at = NOON + 23
    with desk.database.write() as connection:
        [last] = desk.store.case(second).decisions
        deciding.undo(connection, last.id, "ben", undo_at)
    assert found(NOON) == {"hate": (0, 1), "violence": (1, 1)}
    assert found(NOON, NOON + 22) == {"hate": (1, 2), "violence": (1, 1)}


def test_confirmed_leaves_copies_and_drills_out(desk: Desk) -> None:
    desk.draw(SECOND, NOON + 11)
    other = desk.store.add([flag("b", 100, 105)], NOON)[0].case
    desk.decide(other, "ben", "dismiss", NOON + 12)
    drill = desk.store.add([flag("d", 200, 205, drill="d1", speaker="bob")], NOON)[0].case
    desk.decide(drill, "ben", "uphold", NOON + 12)
    with desk.database.read() as connection:
        found = agreement_figures.confirmed(connection, NOON)
    assert {label: (share.hits, share.n) for label, share in found.items()} == {"violence": (1, 2)}
