"""Checks: who may decide one, what can be golden, and which ids are drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import CaseError
from pipeline.contract.messages import Verdict
from pipeline.review.cases import leases, reading
from pipeline.review.quality import quality_checks
from pipeline.review.quality.quality_checks import Check
from tests.builders import NOON
from tests.pipeline.review.quality.conftest import SECOND, Desk


def test_nobody_checks_their_own_decision(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    with desk.database.write() as connection:
        assert quality_checks.barred(connection, "ana", NOON + 12) == {copy}
        assert quality_checks.barred(connection, "ben", NOON + 12) == frozenset()
        with pytest.raises(CaseError, match="for another moderator"):
            leases.claim(connection, copy, "ana", NOON + 12)
    with pytest.raises(CaseError, match="for another moderator"):
        desk.decide(copy, "ana", "uphold", NOON + 12)
    desk.decide(copy, "ben", "uphold", NOON + 12)
    assert desk.waiting() == []


def test_cases_that_cannot_be_golden(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    for case, verdict in ((copy, "uphold"), (desk.case, "escalate")):
        with desk.database.write() as connection, pytest.raises(CaseError):
            quality_checks.mark_golden(connection, case, "lea", verdict, NOON)  # type: ignore[arg-type]
    desk.decide(copy, "ben", "uphold", NOON + 12)
    with desk.database.write() as connection, pytest.raises(CaseError, match="cannot be golden"):
        quality_checks.mark_golden(connection, copy, "lea", "uphold", NOON)


def test_the_hash_decides_which_ids_are_drawn(desk: Desk) -> None:
    taken = [n for n in range(10_000) if quality_checks.drawn("audit", str(n), 0.05)]
    assert 400 < len(taken) < 600
    assert taken == [n for n in range(10_000) if quality_checks.drawn("audit", str(n), 0.05)]
    assert not any(quality_checks.drawn("audit", str(n), 0.0) for n in range(100))
    assert all(quality_checks.drawn("audit", str(n), 1.0) for n in range(100))


def test_an_erasure_finds_copies(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    with desk.database.read() as connection:
        assert reading.case(connection, copy).speaker == "ann"  # so erasure by speaker finds it
        assert (
            quality_checks.family(connection, copy) == quality_checks.family(connection, desk.case) == [desk.case, copy]
        )


@given(st.text("ab1", max_size=5), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_draws_all_that_a_smaller_one_draws(identity: str, one: float, other: float) -> None:
    if quality_checks.drawn("audit", identity, min(one, other)):
        assert quality_checks.drawn("audit", identity, max(one, other))


def test_another_purpose_draws_other_ids() -> None:
    both = [
        n
        for n in range(2_000)
        if quality_checks.drawn("audit", str(n), 0.5) and quality_checks.drawn("second", str(n), 0.5)
    ]
    assert 400 < len(both) < 600


def test_a_check_is_read_as_it_was_recorded(desk: Desk) -> None:
    with desk.database.write() as connection:
        quality_checks.record(connection, desk.case, "audit", None, 0.25, NOON)
        assert quality_checks.check_of(connection, desk.case) == Check(desk.case, "audit", None, 0.25, NOON, False)
        quality_checks.note(connection, desk.case, done=True)
        found = quality_checks.check_of(connection, desk.case)
        assert found is not None
        assert found.done
        assert not quality_checks.copied(connection, desk.case)
        quality_checks.note(connection, "nil", done=True)
        assert quality_checks.check_of(connection, "nil") is None


def test_a_golden_case_has_one_verdict_until_it_is_unmarked(desk: Desk) -> None:
    def golden() -> str | None:
        with desk.database.read() as connection:
            return quality_checks.golden_verdict(connection, desk.case)

    assert golden() is None
    verdicts: tuple[Verdict, ...] = ("uphold", "dismiss")
    for verdict in verdicts:
        with desk.database.write() as connection:
            quality_checks.mark_golden(connection, desk.case, "lea", verdict, NOON)
        assert golden() == verdict
    for _ in range(2):
        with desk.database.write() as connection:
            quality_checks.unmark_golden(connection, desk.case)
        assert golden() is None


def test_a_person_may_check_a_case_again_after_a_long_time(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    with desk.database.write() as connection:
        quality_checks.allow(connection, copy, "ben", NOON + 12)
        quality_checks.allow(connection, desk.case, "ana", NOON + 12)
        with pytest.raises(CaseError, match="for another moderator"):
            quality_checks.allow(connection, copy, "ana", NOON + quality_checks.FORGET_SECONDS)
        quality_checks.allow(connection, copy, "ana", NOON + quality_checks.FORGET_SECONDS + 1)
