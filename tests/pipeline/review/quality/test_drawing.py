"""Checks: which are drawn, who may decide them, and that a copy has no outside effect."""

from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.errors import CaseError
from pipeline.messages import Verdict
from pipeline.review.cases import deciding, leases, queue, reading
from pipeline.review.cases.queue import QueueFilter, Without
from pipeline.review.cases.values import Case, Choice, ClipPiece, Evidence, Filters
from pipeline.review.database import Database
from pipeline.review.evidence.store import EvidenceFolder, checksum
from pipeline.review.quality import checks, drawing, figures
from pipeline.review.quality.drawing import Shares
from pipeline.review.store import SqlReviewStore
from pipeline.review.tables.core import OUTBOX
from tests.pipeline.review.builders import NOON, flag
from tests.pipeline.review.people import PEOPLE

SECOND, GOLDEN = Shares(second=1.0, golden=0.0), Shares(second=0.0, golden=1.0)


class Desk:
    """A database with one case that ana upheld."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = SqlReviewStore(database)
        self.evidence = EvidenceFolder(folder)
        self.case = self.store.add([flag("a", 0, 5, address="log/1")], NOON)[0].case
        path = self.evidence.put(self.case, NOON, b"clip")
        clip = Evidence(
            path=path,
            case=self.case,
            start=NOON - 5,
            end=NOON + 5,
            seconds=5,
            bytes=4,
            sha256=checksum(b"clip"),
            timeline=(ClipPiece(0, NOON, 5),),
        )
        self.store.attach(clip)
        self.decide(self.case, "ana", "uphold", NOON)

    def decide(self, case: str, who: str, verdict: Verdict, at: float) -> None:
        with self.database.write() as connection:
            deciding.decide(connection, case, who, Choice(verdict=verdict), at)

    def draw(self, shares: Shares, at: float) -> list[str]:
        with self.database.write() as connection:
            return drawing.draw(connection, self.evidence, at, shares, 10)

    def waiting(self) -> list[Case]:
        with self.database.read() as connection:
            return queue.page(connection)

    def events(self) -> int:
        with self.database.read() as connection:
            return len(connection.execute(select(OUTBOX)).all())


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path / "evidence")


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


def test_nobody_checks_their_own_decision(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    with desk.database.write() as connection:
        assert checks.barred(connection, "ana", NOON + 12) == {copy}
        assert checks.barred(connection, "ben", NOON + 12) == frozenset()
        with pytest.raises(CaseError, match="for another moderator"):
            leases.claim(connection, copy, "ana", NOON + 12)
    with pytest.raises(CaseError, match="for another moderator"):
        desk.decide(copy, "ana", "uphold", NOON + 12)
    desk.decide(copy, "ben", "uphold", NOON + 12)
    assert desk.waiting() == []


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
            without = Without(cases=checks.barred(connection, name, NOON + 12))
            case = queue.next_free(connection, name, NOON + 12, QueueFilter(without=without))
        assert case, f"{name} may decide none of the {100 - n} waiting checks"
        desk.decide(case, name, "uphold", NOON + 12)
        assert _barred(desk, name) <= barred[name]
    assert desk.waiting() == []


def _barred(desk: Desk, name: str) -> frozenset[str]:
    with desk.database.read() as connection:
        return checks.barred(connection, name, NOON + 12)


def test_a_copy_has_no_effect_outside(desk: Desk) -> None:
    events = desk.events()
    [copy] = desk.draw(SECOND, NOON + 11)
    desk.decide(copy, "ben", "uphold", NOON + 12)
    assert desk.events() == events
    with desk.database.read() as connection:
        assert queue.strikes(connection, ["ann"]) == {"ann": 1}
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
        assert {who for who in ("ana", "ben", "lea") if checks.barred(connection, who, NOON + 31)} == {"ana", "ben"}
        [pair] = figures.pairs(connection, NOON)
        assert (pair.first.verdict, pair.second.verdict, pair.settled) == ("uphold", "dismiss", None)
    desk.decide(third, "lea", "dismiss", NOON + 40)
    assert desk.draw(SECOND, NOON + 60) == []
    with desk.database.read() as connection:
        [pair] = figures.pairs(connection, NOON)
    assert (pair.settled, pair.third and pair.third.moderator) == ("dismiss", "lea")


def test_an_undone_check_waits_again(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    desk.decide(copy, "ben", "dismiss", NOON + 12)
    with desk.database.write() as connection:
        [last] = deciding.last_of(connection, "ben", NOON)
        deciding.undo(connection, last.id, "ben", NOON + 13)
        assert figures.pairs(connection, NOON) == []
        assert checks.barred(connection, "ben", NOON + 13) == frozenset()
    assert desk.draw(SECOND, NOON + 30) == []


def test_a_copy_of_a_golden_case_looks_like_a_new_case(desk: Desk) -> None:
    with desk.database.write() as connection:
        checks.mark_golden(connection, desk.case, "lea", "dismiss", NOON + 1)
    [copy] = desk.draw(GOLDEN, NOON + 3_600)
    assert desk.draw(GOLDEN, NOON + 3_601) == []
    file = desk.store.case(copy)
    assert (file.case.start, file.flags[0].end) == (NOON + 3_600, NOON + 3_605)
    assert file.evidence[0].timeline == (ClipPiece(0, NOON + 3_600, 5),)
    with desk.database.read() as connection:
        # ana decided the original, and lea set the golden verdict.
        assert [bool(checks.barred(connection, who, NOON + 3_601)) for who in ("ana", "ben", "lea")] == [
            True,
            False,
            True,
        ]
        assert not checks.barred(connection, "ana", NOON + checks.FORGET_SECONDS + 1)
    desk.decide(copy, "ben", "uphold", NOON + 3_610)
    with desk.database.read() as connection:
        [answer] = figures.answers(connection, NOON)
        assert (answer.correct, answer.given.moderator, answer.original) == (False, "ben", desk.case)


def test_cases_that_cannot_be_golden(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    for case, verdict in ((copy, "uphold"), (desk.case, "escalate")):
        with desk.database.write() as connection, pytest.raises(CaseError):
            checks.mark_golden(connection, case, "lea", verdict, NOON)  # type: ignore[arg-type]
    desk.decide(copy, "ben", "uphold", NOON + 12)
    with desk.database.write() as connection, pytest.raises(CaseError, match="cannot be golden"):
        checks.mark_golden(connection, copy, "lea", "uphold", NOON)


def test_an_audit_is_its_own_case_and_counts_for_recall(desk: Desk) -> None:
    passed = [flag(f"p{n}", n, n + 1, suggestion="pass", flagged=(), hits=()) for n in range(4)]
    outcomes = desk.store.audit(passed, 0.01, NOON + 20)
    assert [outcome.result for outcome in desk.store.audit(passed, 0.01, NOON + 21)] == ["repeated"] * 4
    assert len({outcome.case for outcome in outcomes}) == 4
    with desk.database.read() as connection:
        assert figures.recall(connection, NOON) is None
    for outcome, verdict in zip(outcomes, ("uphold", "dismiss"), strict=False):
        desk.decide(outcome.case, "ana", verdict, NOON + 30)  # type: ignore[arg-type]
    with desk.database.read() as connection:
        found = figures.recall(connection, NOON)
        assert queue.strikes(connection, ["ann"]) == {"ann": 2}
    assert found
    assert (found.audited, found.decided, found.found) == (4, 2, 1)
    # 4 of 400 utterances were drawn, and one of two decided audits was upheld: 200 were missed, and one was caught.
    assert found.missed == pytest.approx(200)
    assert found.value == pytest.approx(1 / 201)
    assert found.interval[0] < found.value < found.interval[1]


def test_precision_by_label_leaves_copies_and_audits_out(desk: Desk) -> None:
    desk.draw(SECOND, NOON + 11)
    other = desk.store.add([flag("b", 100, 105)], NOON)[0].case
    desk.decide(other, "ben", "dismiss", NOON + 12)
    with desk.database.read() as connection:
        found = figures.precision(connection, NOON)
    assert {label: (share.hits, share.n) for label, share in found.items()} == {"violence": (1, 2)}


def test_the_hash_decides_which_ids_are_drawn(desk: Desk) -> None:
    taken = [n for n in range(10_000) if checks.drawn("audit", str(n), 0.05)]
    assert 400 < len(taken) < 600
    assert taken == [n for n in range(10_000) if checks.drawn("audit", str(n), 0.05)]
    assert not any(checks.drawn("audit", str(n), 0.0) for n in range(100))
    assert all(checks.drawn("audit", str(n), 1.0) for n in range(100))


def test_an_erasure_finds_copies(desk: Desk) -> None:
    [copy] = desk.draw(SECOND, NOON + 11)
    with desk.database.read() as connection:
        assert reading.case(connection, copy).speaker == "ann"  # so erasure by speaker finds it
        assert checks.family(connection, copy) == checks.family(connection, desk.case) == [desk.case, copy]
