"""The order, the pages and the filters of the queue."""

import itertools
from contextlib import closing

import msgspec
import pytest
from sqlalchemy import select, text

from pipeline.base.errors import Involved
from pipeline.review.cases import assigning, case_queue, deciding, eligibility, leases, reading
from pipeline.review.cases.case_queue import TARGETS, QueueFilter, Ranking
from pipeline.review.cases.case_values import Choice, Place
from pipeline.review.cases.eligibility import Skills
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag

pytestmark = pytest.mark.dialect

SEVERITIES = {"ads_spam": 0, "abuse": 1, "fraud": 2, "minor_safety": 3, "terror_extremism": 3}


def store(database: Database) -> SqlReviewStore:
    return SqlReviewStore(database, ranking=Ranking(SEVERITIES))


def add(database: Database, name: str, at: float, label: str = "abuse", **changes: object) -> str:
    [outcome] = store(database).add([flag(name, at, at + 1, flagged=(label,), hits=(), **changes)], NOON + at)
    return outcome.case


def pages(database: Database, limit: int) -> list[str]:
    """Return the ids of all pages of the queue, `limit` cases each."""
    seen: list[str] = []
    after = None
    with database.read() as connection:
        while found := case_queue.list_queue(connection, after=after, limit=limit):
            seen += [case.id for case in found]
            after = found[-1].place
    return seen


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_child_safety_comes_first_then_severity_then_the_deadline(database: Database, limit: int) -> None:
    """The backlog is older than three days, and each later case is more severe."""
    labels = ("ads_spam", "abuse", "fraud", "terror_extremism", "minor_safety")
    old = [add(database, f"old {label}", at * 10.0, label) for at, label in enumerate(labels)]
    new = [add(database, f"new {label}", 3 * 86_400.0 + at * 10.0, label) for at, label in enumerate(labels)]
    expected = [case for pair in zip(old, new, strict=True) for case in pair[::-1]][::-1]
    assert pages(database, limit) == expected
    with database.read() as connection:
        assert case_queue.next_free(connection, "ana", NOON) == expected[0]


def test_who_may_see_no_more_severe_cases_gets_mild_ones(database: Database) -> None:
    for at, label in enumerate(SEVERITIES):
        add(database, label, at * 10.0, label)
    with database.read() as connection:
        wanted = QueueFilter(without=case_queue.Without(severity=2))
        assert [case.label for case in case_queue.list_queue(connection, wanted)] == ["abuse", "ads_spam"]


def test_child_safety_in_one_of_the_flags_brings_the_case_to_the_front(database: Database) -> None:
    terror = add(database, "terror", 0, "terror_extremism", suggestion="block", room="r1")
    add(database, "a", 100, "abuse", suggestion="block", room="r2")
    both = flag("b", 100.5, 101, flagged=("terror_extremism", "minor_safety"), hits=(), room="r2")
    [outcome] = store(database).add([both], NOON + 200)
    with database.read() as connection:
        first, second = case_queue.list_queue(connection)
    assert (first.id, first.label, first.severity, second.id) == (outcome.case, "minor_safety", 3, terror)


def test_speech_that_passed_is_never_child_safety() -> None:
    passed = flag("a", 0, 4, flagged=("minor_safety",), suggestion="pass")
    assert RANKING.columns(passed, NOON)["rank"] == 4


def test_what_is_assigned_comes_first_but_after_child_safety(database: Database) -> None:
    severe, mine = add(database, "severe", 0, "fraud"), add(database, "mine", 10, "ads_spam")
    with database.write() as connection:
        assigning.move(connection, [mine], "ben", "lea", "workload", NOON, 86_400.0)
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, "ben", NOON))
        assert case_queue.next_free(connection, "ben", NOON, wanted) == mine
    child = add(database, "child", 20, "minor_safety")
    with database.write() as connection:
        assert case_queue.next_free(connection, "ben", NOON, wanted) == child
        assert severe in pages(database, 50)


def test_a_case_of_an_old_process_comes_first(database: Database) -> None:
    """0.1.0 knows no rank. While it still runs, no case that it stores may wait behind others."""
    add(database, "new", 0, "minor_safety")
    old = add(database, "old", 10, "fraud")
    with database.write() as connection:
        names = [column.name for column in CASES.columns if column.name not in ("id", "rank", "urgency")]
        copied = ", ".join(f'"{name}"' for name in names)
        sql = f"INSERT INTO cases (id, urgency, {copied}) SELECT 'old', 0, {copied} FROM cases WHERE id = :old"  # noqa: S608
        connection.execute(text(sql).bindparams(old=old))
        connection.execute(text("UPDATE cases SET due_at = 0 WHERE id = 'old'"))
    assert pages(database, 50)[0] == "old"


def test_a_suggestion_to_block_makes_any_label_severe(database: Database) -> None:
    add(database, "a", 0, "ads_spam", suggestion="block")
    with database.read() as connection:
        [case] = case_queue.list_queue(connection)
    assert (case.severity, case.due_at) == (2, NOON + TARGETS[2])


def test_a_case_that_becomes_worse_moves_up_and_keeps_its_age(database: Database) -> None:
    add(database, "a", 0)
    add(database, "b", 0.5, "minor_safety", suggestion="block")
    with database.read() as connection:
        [case] = case_queue.list_queue(connection)
    assert (case.severity, case.due_at) == (3, NOON + TARGETS[3])


def test_pages_contain_every_case_once(database: Database) -> None:
    flags = [flag(str(n), n * 10, n * 10 + 1, speaker=f"s{n % 9}", room=f"r{n % 5}") for n in range(120)]
    store(database).add(flags, NOON)
    seen = pages(database, 7)
    assert len(seen) == len(set(seen)) == 120
    assert queue_is_sorted(database)


def queue_is_sorted(database: Database) -> bool:
    with database.read() as connection:
        places = [case.place for case in case_queue.list_queue(connection, limit=1_000)]
    return all(one < other for one, other in itertools.pairwise(places))


def test_filters(database: Database) -> None:
    first = add(database, "a", 0, "fraud", room="r1", speaker="s1", language="en", policy="p@1")
    second = add(database, "b", 10, "abuse", room="r2", speaker="s2", suggestion="block")
    with database.read() as connection:
        for wanted, expected in (
            (QueueFilter(label="fraud"), [first]),
            (QueueFilter(room="r2"), [second]),
            (QueueFilter(speaker="s1"), [first]),
            (QueueFilter(language="zh"), [second]),
            (QueueFilter(suggestion="block"), [second]),
            (QueueFilter(policy="p@1"), [first]),
            (QueueFilter(status="escalated"), []),
        ):
            assert [case.id for case in case_queue.list_queue(connection, wanted)] == expected
            assert case_queue.count_queue(connection, wanted) == len(expected)
        assert case_queue.choices(connection)["label"] == ["abuse", "fraud"]


def test_counts_of_all_and_of_late_cases(database: Database) -> None:
    for n, start in enumerate((0, 10, 20)):
        add(database, f"s{n}", start)
    with database.read() as connection:
        due = sorted(case.due_at for case in case_queue.list_queue(connection))
        assert case_queue.counts(connection, QueueFilter(), due[1] + 0.5, 100) == (3, 2)
        assert case_queue.counts(connection, QueueFilter(), due[2] + 0.5, 2) == (2, 2)
        assert case_queue.counts(connection, QueueFilter(label="none"), due[2], 100) == (0, 0)


@pytest.mark.parametrize("after", [None, (1, NOON, "a")], ids=["first page", "later page"])
@pytest.mark.parametrize("wanted", [{}, {"label": "x"}, {"room": "x"}, {"speaker": "x"}], ids=str)
def test_an_index_gives_the_order(database: Database, wanted: dict[str, str], after: Place | None) -> None:
    """Without the index, one page of a queue of 100,000 cases would sort all of them, or read those of all pages."""
    with database.read() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if not sqlite:  # the tables are empty, and an empty table is read faster without an index
            connection.execute(text("SET enable_seqscan = off; SET enable_bitmapscan = off"))
        query = case_queue.chosen(msgspec.convert(wanted, QueueFilter), after, 50)
        compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
        found = connection.execute(text(f"EXPLAIN {'QUERY PLAN' if sqlite else ''} {compiled}"))
        plan = " ".join(str(row) for row in found)
    assert "ix_cases_queue" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    begins = "(rank,due_at,id)>(?,?,?)" if sqlite else "(ROW(rank, due_at, "
    assert after is None or begins in plan.partition("Filter: ")[0]


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        (QueueFilter(language="xx", suggestion="block"), "SCAN same USING COVERING INDEX ix_cases_queue_all"),
        (
            QueueFilter(label="abuse", policy="gone@1"),
            "SEARCH same USING COVERING INDEX ix_cases_queue_of_label (label=?)",
        ),
        (QueueFilter(without=case_queue.Without(severity=2)), "USING COVERING INDEX ix_cases_queue_all (rank>?)"),
    ],
    ids=["no match", "no match of a label", "mild cases"],
)
def test_an_index_skips_cases_that_are_not_wanted(sqlite_url: str, wanted: QueueFilter, read: str) -> None:
    """The database reads an index that holds all filters: 100,000 open cases took 527 ms when it read each one."""
    with closing(Database(sqlite_url)) as database, database.read() as connection:
        query = case_queue._filtered(select(CASES.c.id), wanted).order_by(*case_queue.ORDER)
        compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = " ".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}")))
    assert read in plan
    assert "TEMP B-TREE" not in plan


HALF = 1_800.0


def escalated(database: Database, name: str, who: str, at: float, label: str = "abuse") -> str:
    store = SqlReviewStore(database, ranking=Ranking({"fraud": 2, "abuse": 1}))
    case = store.add([flag(name, speaker=name, flagged=(label,), hits=())], NOON)[0].case
    store.decide(case, who, Choice(verdict="escalate"), at)
    return case


def theirs(database: Database, account: str, after: Place | None = None, limit: int = 50) -> list[str]:
    with database.read() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, account, NOON))
        return [case.id for case in case_queue.list_escalated(connection, wanted, after, limit)]


def test_only_people_with_the_right_decide_and_never_who_escalated(database: Database) -> None:
    case = escalated(database, "a", "ana", NOON)
    own = escalated(database, "b", "lea", NOON)
    assert (theirs(database, "ana"), theirs(database, "ben")) == ([], [])
    assert (theirs(database, "lea"), set(theirs(database, "ada"))) == ([case], {case, own})
    with database.write() as connection:
        with pytest.raises(Involved, match="ben may not decide such cases"):
            leases.claim(connection, case, "ben", NOON)
        with pytest.raises(Involved, match="ben may not decide such cases"):
            deciding.decide(connection, case, "ben", Choice(verdict="uphold"), NOON)
        eligibility.change_skills(connection, "ben", Skills(escalated=True), "lea", NOON)
        eligibility.change_skills(connection, "ana", Skills(escalated=True), "lea", NOON)
    assert (set(theirs(database, "ben")), theirs(database, "ana")) == ({case, own}, [own])
    with database.write() as connection:
        assert (
            case_queue.next_free(
                connection, "ana", NOON, QueueFilter(eligibility=eligibility.eligibility_of(connection, "ana", NOON))
            )
            == own
        )
        deciding.decide(connection, case, "ben", Choice(verdict="uphold"), NOON)
    assert theirs(database, "lea") == []


def test_the_deadline_counts_from_the_escalation(database: Database) -> None:
    late = escalated(database, "late", "ana", NOON + 20)
    early = escalated(database, "early", "ana", NOON + 10)
    severe = escalated(database, "severe", "ana", NOON + 600, "fraud")
    assert theirs(database, "lea") == [severe, early, late]
    with database.read() as connection:
        wanted = QueueFilter(eligibility=eligibility.eligibility_of(connection, "lea", NOON))
        first, second, _ = case_queue.list_escalated(connection, wanted, None, 50)
        assert (first.due_at, second.due_at) == (NOON + 600 + HALF, NOON + 10 + HALF)
    assert theirs(database, "lea", first.place) == [early, late]
    assert theirs(database, "lea", first.place, 1) == [early]


def test_an_undone_escalation_leaves_the_queue(database: Database) -> None:
    case = escalated(database, "a", "ana", NOON)
    with database.write() as connection:
        [made] = deciding.last_of(connection, "ana", NOON)
        deciding.undo(connection, made.id, "ana", NOON + 1)
    assert theirs(database, "lea") == []
    with database.write() as connection:
        assert case_queue.next_free(connection, "ben", NOON) == case


RANKING = Ranking({"minor_safety": 3, "violence": 2, "ads_spam": 0})


@pytest.mark.parametrize(
    ("labels", "suggestion", "severity"),
    [
        (("minor_safety", "ads_spam"), "review", 3),
        (("ads_spam",), "review", 0),
        (("ads_spam",), "block", 2),
        (("minor_safety",), "block", 3),
        (("unknown",), "review", 1),
        ((), "review", 1),
        (("minor_safety",), "pass", 0),
    ],
)
def test_the_worst_label_decides_and_a_block_is_high_at_least(
    labels: tuple[str, ...], suggestion: str, severity: int
) -> None:
    assert RANKING.severity(flag("a", 0, 4, flagged=labels, suggestion=suggestion)) == severity


def test_a_deadline_is_the_target_after_the_arrival() -> None:
    for severity in range(4):
        assert RANKING.place("abuse", severity, 1_000.0)["due_at"] == 1_000.0 + TARGETS[severity]


def test_the_moment_from_which_a_deadline_counts_is_known_again(database: Database) -> None:
    with database.read() as connection:
        case = reading.case(
            connection, SqlReviewStore(database, ranking=RANKING).add([flag("a", 0, 5)], 5_000.0)[0].case
        )
    assert (case.severity, RANKING.since(case)) == (2, 5_000.0)
