"""Decided speech that is flagged again, on SQLite and on PostgreSQL."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pipeline.base.errors import CaseError
from pipeline.console.cases.case_view import case_view
from pipeline.contract.messages import Flag, Verdict
from pipeline.review import audit_log
from pipeline.review.cases import case_queue, deciding
from pipeline.review.cases.case_values import Case, Choice, Filters, Result
from pipeline.review.cases.repeated_speech import shared
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.quality.drawing import Shares
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag

LATER = NOON + 3_600


class Desk:
    """A store, and a moderator who decides its cases."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = SqlReviewStore(database)

    def add(self, *flags: Flag) -> list[tuple[str, str]]:
        """Store flags. Return the result and the case id of each."""
        return [(outcome.result, outcome.case) for outcome in self.store.add(flags, LATER)]

    def decided(self, *flags: Flag, verdict: Verdict = "dismiss") -> str:
        """Store flags that form one case, decide it, and return its id."""
        case = {case for _, case in self.add(*flags)}.pop()
        self.decide(case, verdict)
        return case

    def decide(self, case: str, verdict: Verdict = "dismiss") -> None:
        with self.database.write() as connection:
            deciding.decide(connection, case, "ana", Choice(verdict=verdict), LATER)

    def waiting(self) -> list[Case]:
        with self.database.read() as connection:
            return case_queue.list_queue(connection)

    def log(self) -> list[tuple[str, str]]:
        with self.database.read() as connection:
            return [
                (line.subject, line.detail) for line in audit_log.all_lines(connection) if line.action == "case.link"
            ]


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_decided_speech_that_is_delivered_and_cut_again_is_linked(desk: Desk) -> None:
    """This happens after the reset of a consumer group. Each utterance has a new start, end and id."""
    random = Random(7)  # noqa: S311 - of a test
    said = [(20.0 * n, 20.0 * n + random.uniform(0.3, 15)) for n in range(40)]
    for start, end in said:
        desk.decided(flag(f"{start}", start, end))
    again = [
        flag(f"again {start}", start + random.uniform(-0.2, 0.2), end + random.uniform(-0.05, 0.2))
        for start, end in said
    ]
    assert {result for result, _ in desk.add(*again)} == {"linked"}
    assert desk.waiting() == []
    assert [result for result, _ in desk.add(*again)] == ["repeated"] * 40


def test_a_long_speech_with_other_cuts_is_linked(desk: Desk) -> None:
    """Forced cuts come 15 s, 29.5 s and so on after the place where reading began."""
    first = [flag(f"a{n}", 14.5 * n, 14.5 * n + 15) for n in range(6)]
    desk.decided(*first)
    again = [flag(f"b{n}", 4 + 14.5 * n, 4 + 14.5 * n + 15) for n in range(5)]
    assert {result for result, _ in desk.add(*again)} == {"linked"}


def test_a_linked_flag_changes_nothing_but_is_shown(desk: Desk) -> None:
    case = desk.decided(flag("a", 0, 5), verdict="uphold")
    before = desk.store.case(case)
    again = flag("b", 0.1, 5.1, suggestion="block", flagged=("fraud",))
    assert desk.add(again) == [("linked", case)]
    after = desk.store.case(case)
    assert (after.case, after.flags, after.linked) == (before.case, before.flags, (again,))
    assert desk.log() == [(case, '{"flag":"b","labels":["fraud"],"suggestion":"block"}')]
    with desk.database.read() as connection:
        assert audit_log.verify_chain(connection).broken is None
        assert case_view(connection, case).file.linked == (again,)


@pytest.mark.parametrize(
    ("start", "end", "result"),
    [
        (4.5, 9.0, "created"),  # shares only what a forced cut repeats
        (4.6, 5.0, "linked"),  # shares as little, but has no new speech
        (4.9, 5.2, "created"),
        (5.0, 9.0, "created"),
        (1.0, 5.4, "linked"),
        (1.0, 7.0, "linked"),  # the larger part was heard
        (3.0, 8.0, "created"),  # the larger part is new
        (-3.0, 8.0, "created"),
    ],
)
def test_the_share_of_heard_speech_decides(desk: Desk, start: float, end: float, result: str) -> None:
    desk.decided(flag("a", 0, 5))
    assert desk.add(flag("b", start, end))[0][0] == result


@pytest.mark.parametrize(
    "more",
    [{"suggestion": "block"}, {"flagged": ("violence", "minor_safety")}, {"flagged": ("hate",), "suggestion": "block"}],
)
def test_a_worse_flag_is_linked_only_if_all_its_speech_was_heard(desk: Desk, more: dict[str, Any]) -> None:
    case = desk.decided(flag("a", 0, 5))
    assert desk.add(flag("b", 0.2, 5.3, **more)) == [("linked", case)]
    assert desk.add(flag("c", 1, 7, **more))[0][0] == "created"


def test_a_label_that_the_moderator_gave_is_known(desk: Desk) -> None:
    [(_, case)] = desk.add(flag("a", 0, 5))
    desk.store.decide(case, "ana", Choice(verdict="uphold", label="hate"), LATER)
    assert desk.add(flag("b", 1, 7, flagged=("hate",))) == [("linked", case)]


def test_linked_flags_do_not_count_as_heard(desk: Desk) -> None:
    desk.decided(flag("a", 0, 10))
    results = [desk.add(flag(f"b{n}", n, n + 10.0))[0][0] for n in (4, 8, 12)]
    assert results == ["linked", "created", "merged"]


@pytest.mark.parametrize("changes", [{"speaker": "bob"}, {"room": "other"}])
def test_speech_of_others_at_the_same_time_is_new(desk: Desk, changes: dict[str, str]) -> None:
    desk.decided(flag("a", 0, 5))
    assert desk.add(flag("b", 0, 5, **changes))[0][0] == "created"


def test_decided_speech_beside_an_open_case(desk: Desk) -> None:
    first = desk.decided(flag("a", 0, 5))
    [(_, second)] = desk.add(flag("b", 4.5, 9))
    assert desk.add(flag("c", 0.1, 4.8)) == [("linked", first)]
    assert desk.add(flag("d", 4.6, 9.1)) == [("merged", second)]
    assert [case.id for case in desk.waiting()] == [second]


def test_a_flag_is_linked_to_the_case_with_most_of_its_speech(desk: Desk) -> None:
    first, second = desk.decided(flag("a", 0, 5)), desk.decided(flag("b", 5.1, 15))
    assert first != second
    assert desk.add(flag("c", 0.1, 14.9)) == [("linked", second)]


def test_an_escalated_case_is_open(desk: Desk) -> None:
    [(_, case)] = desk.add(flag("a", 0, 5))
    desk.decide(case, "escalate")
    assert desk.add(flag("b", 0.1, 5.1)) == [("merged", case)]


def test_an_undo_turns_linked_flags_into_normal_ones(desk: Desk) -> None:
    case = desk.decided(flag("a", 0, 10))
    desk.add(flag("b", 4, 14))
    with desk.database.write() as connection:
        [last] = deciding.last_of(connection, "ana", LATER)
        deciding.undo(connection, last.id, "ana", LATER + 1)
    file = desk.store.case(case)
    assert ([one.id for one in file.flags], file.linked) == (["a", "b"], ())
    desk.decide(case, "uphold")
    assert desk.add(flag("c", 8, 14)) == [("linked", case)]


def test_flags_are_never_linked_to_a_copy(desk: Desk, tmp_path: Path) -> None:
    original = desk.decided(flag("a", 0, 5))
    with desk.database.write() as connection:
        [copy] = drawing.draw(connection, EvidenceFolder(tmp_path), LATER + 11, Shares(1.0, 0.0), 10)
        deciding.decide(connection, copy, "ben", Choice(verdict="dismiss"), LATER + 12)
    assert desk.add(flag("b", 0.1, 5.1)) == [("linked", original)]
    with desk.database.read() as connection:
        assert quality_checks.copied(connection, copy)


def test_flags_are_linked_to_a_decided_audit(desk: Desk) -> None:
    [drawn] = desk.store.add([flag("a", 0, 5, suggestion="pass", flagged=())], LATER, ["a"], 0.1)
    desk.decide(drawn.case, "uphold")
    assert desk.add(flag("b", 0.1, 5.1)) == [("linked", drawn.case)]


def test_concurrent_workers_and_moderators(url: str, desk: Desk) -> None:
    """In any order of the two, no decided speech is open at the end."""
    spans = [(20.0 * n, 20.0 * n + 10) for n in range(30)]
    cases = [case for _, case in desk.add(*(flag(f"{start}", start, end) for start, end in spans))]

    def deliver(worker: int) -> list[Result]:
        with closing(Database(url)) as database:
            store = SqlReviewStore(database)
            return [
                store.add([flag(f"{worker}/{start}", start + worker / 10, end + worker / 10)], LATER)[0].result
                for start, end in spans
            ]

    def moderate(moderator: str) -> list[str]:
        with closing(Database(url)) as database:
            return list(filter(None, (_decide(database, case, moderator) for case in cases)))

    with ThreadPoolExecutor(5) as pool:
        delivered = [pool.submit(deliver, worker) for worker in range(1, 4)]
        moderated = [pool.submit(moderate, name) for name in ("ana", "ben")]
    results = list(itertools.chain(*(each.result() for each in delivered)))
    assert set(results) <= {"merged", "linked"}
    assert sorted(itertools.chain(*(each.result() for each in moderated))) == sorted(cases)
    assert desk.waiting() == []
    assert len(desk.store.cases(Filters(), limit=200)) == 30
    assert len(desk.log()) == results.count("linked")


def _decide(database: Database, case: str, moderator: str) -> str | None:
    try:
        with database.write() as connection:
            deciding.decide(connection, case, moderator, Choice(verdict="dismiss"), LATER)
    except CaseError:
        return None  # the other moderator was first
    return case


def test_a_case_is_decided_while_a_flag_arrives(url: str, desk: Desk) -> None:
    [(_, case)] = desk.add(flag("a", 0, 5))
    with ThreadPoolExecutor(1) as pool:
        with desk.database.write() as connection:
            deciding.decide(connection, case, "ana", Choice(verdict="dismiss"), LATER)
            waiting = pool.submit(_add_elsewhere, url, flag("b", 0.1, 5.1))
            time.sleep(0.5)  # the other thread should find the case locked; if it is too late, the test still passes
        assert waiting.result() == [("linked", case)]


def _add_elsewhere(url: str, one: Flag) -> list[tuple[str, str]]:
    with closing(Database(url)) as database:
        return Desk(database).add(one)


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [([], 0), ([(2, 4)], 2), ([(-5, 3), (2, 4), (8, 20)], 6), ([(0, 10), (3, 4)], 10)],
)
def test_shared_seconds(spans: list[tuple[float, float]], seconds: float) -> None:
    others = [flag(str(n), *span) for n, span in enumerate(spans)]
    assert shared(flag("x", 0, 10), others) == pytest.approx(seconds)
