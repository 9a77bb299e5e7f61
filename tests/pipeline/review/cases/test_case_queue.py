"""The order, the pages and the filters of the queue."""

import itertools
from contextlib import closing

import pytest
from sqlalchemy import select, text

from pipeline.base.errors import Involved
from pipeline.review.cases import case_queue, deciding, eligibility, leases, reading
from pipeline.review.cases.case_queue import HEAD_START, TARGETS, QueueFilter, Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.eligibility import Skills
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag

pytestmark = pytest.mark.dialect

SEVERITIES = {"ads_spam": 0, "abuse": 1, "fraud": 2, "minor_safety": 3}


def store(database: Database) -> SqlReviewStore:
    return SqlReviewStore(database, ranking=Ranking(SEVERITIES))


def add(database: Database, name: str, at: float, label: str = "abuse", **changes: object) -> str:
    [outcome] = store(database).add([flag(name, at, at + 1, flagged=(label,), hits=(), **changes)], NOON + at)
    return outcome.case


def test_severe_cases_come_first_and_mild_ones_never_wait_for_ever(database: Database) -> None:
    mild = add(database, "mild", 0, "ads_spam")
    middling = add(database, "middling", 10)
    grave = add(database, "grave", 20, "fraud")
    worst = add(database, "worst", 30, "minor_safety")
    late = add(database, "late", TARGETS[0] + HEAD_START[2] + 100, "fraud")
    with database.read() as connection:
        assert [case.id for case in case_queue.list_queue(connection)] == [worst, grave, middling, mild, late]


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
    seen: list[str] = []
    after = None
    with database.read() as connection:
        while found := case_queue.list_queue(connection, after=after, limit=7):
            seen += [case.id for case in found]
            after = found[-1].place
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


def test_an_index_gives_the_order(sqlite_url: str) -> None:
    """Without the index, one page of a queue of 100,000 cases would sort all of them."""
    with closing(Database(sqlite_url)) as database, database.read() as connection:
        for where in ("", " AND label = 'x'", " AND room = 'x'", " AND speaker = 'x'"):
            sql = f"SELECT * FROM cases WHERE status <> 'decided'{where} ORDER BY urgency, id LIMIT 50"  # noqa: S608
            plan = " ".join(str(row) for row in connection.execute(text("EXPLAIN QUERY PLAN " + sql)))
            assert "ix_cases_queue" in plan
            assert "TEMP B-TREE" not in plan


def test_a_filter_without_matches_reads_no_case(sqlite_url: str) -> None:
    """The database reads an index that holds all filters: 100,000 open cases took 527 ms when it read each one."""
    for wanted in (QueueFilter(language="xx", suggestion="block"), QueueFilter(label="abuse", policy="gone@1")):
        with closing(Database(sqlite_url)) as database, database.read() as connection:
            query = case_queue._filtered(select(CASES.c.id), wanted).order_by(CASES.c.urgency, CASES.c.id)
            compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
            plan = " ".join(row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}")))
        assert "USING COVERING INDEX ix_cases_queue" in plan
        assert "TEMP B-TREE" not in plan


HALF = 1_800.0


def escalated(database: Database, name: str, who: str, at: float, label: str = "abuse") -> str:
    store = SqlReviewStore(database, ranking=Ranking({"fraud": 2, "abuse": 1}))
    case = store.add([flag(name, speaker=name, flagged=(label,), hits=())], NOON)[0].case
    store.decide(case, who, Choice(verdict="escalate"), at)
    return case


def theirs(database: Database, account: str, after: tuple[float, str] | None = None, limit: int = 50) -> list[str]:
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
        placed = RANKING.place(severity, 1_000.0)
        assert placed["due_at"] == 1_000.0 + TARGETS[severity]
        assert placed["urgency"] == placed["due_at"] - HEAD_START[severity]


def test_the_moment_from_which_a_deadline_counts_is_known_again(database: Database) -> None:
    with database.read() as connection:
        case = reading.case(
            connection, SqlReviewStore(database, ranking=RANKING).add([flag("a", 0, 5)], 5_000.0)[0].case
        )
    assert (case.severity, RANKING.since(case)) == (2, 5_000.0)


def test_a_mild_case_passes_a_new_critical_one_as_it_ages() -> None:
    old = RANKING.place(0, 0.0)["urgency"]
    assert RANKING.place(3, 3_600.0)["urgency"] < old
    assert RANKING.place(3, 2 * 86_400.0)["urgency"] > old
