"""A transcript that is delivered again after a swap of the policy gets a flag with another id. Nobody is told twice."""

import pytest
from sqlalchemy import func, select

from pipeline.contract.messages import Flag, derive_id
from pipeline.review.delivery.event_outbox import FlagEventChoice
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import TALLIES
from pipeline.review.tables.core import CASES, FLAGS, OUTBOX
from tests.builders import NOON, flag, transcript


def judged(version: int, suggestion: str, **changes: object) -> Flag:
    """The flag of one transcript by a version of the policy."""
    fields = {"transcript": "said", "utterance": "spoken", "policy": f"default@{version}", "suggestion": suggestion}
    return flag(f"by-{version}", 0, 5, **fields | changes)


def count(store: SqlReviewStore, table: object) -> int:
    with store._database.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)  # type: ignore[arg-type]


@pytest.fixture
def telling(store: SqlReviewStore) -> SqlReviewStore:
    """A store that sends an event about each review and block."""
    store._flag_events = FlagEventChoice(frozenset({"review", "block"}), most=100)
    return store


def test_the_id_names_the_version() -> None:
    said = transcript("words")
    assert derive_id("judge", said, "default@7") == derive_id("judge", said, "default@7")
    assert derive_id("judge", said, "default@7") != derive_id("judge", said, "default@8")


@pytest.mark.parametrize(("first", "again"), [("review", "review"), ("block", "block"), ("block", "review")])
def test_the_same_or_a_milder_verdict_changes_nothing(telling: SqlReviewStore, first: str, again: str) -> None:
    [made] = telling.add([judged(7, first)], NOON)
    [repeated] = telling.add([judged(8, again)], NOON + 5)
    assert (made.result, repeated.result, repeated.case) == ("created", "repeated", made.case)
    assert (count(telling, CASES), count(telling, FLAGS), count(telling, OUTBOX)) == (1, 1, 1)


def test_a_stricter_verdict_joins_the_case_and_is_told(telling: SqlReviewStore) -> None:
    [made] = telling.add([judged(7, "review")], NOON)
    [stricter] = telling.add([judged(8, "block")], NOON + 5)
    assert (stricter.result, stricter.case) == ("merged", made.case)
    assert (count(telling, CASES), count(telling, FLAGS), count(telling, OUTBOX)) == (1, 2, 2)
    assert telling.case(made.case).case.policy == "default@8"


def test_both_versions_in_one_batch(telling: SqlReviewStore) -> None:
    outcomes = telling.add([judged(7, "review"), judged(8, "review")], NOON)
    assert [each.result for each in outcomes] == ["created", "repeated"]
    assert outcomes[0].case == outcomes[1].case
    assert count(telling, OUTBOX) == 1


def test_other_speech_at_the_same_time_is_not_taken_for_it(telling: SqlReviewStore) -> None:
    telling.add([judged(7, "review")], NOON)
    [other] = telling.add([judged(8, "review", transcript="else", utterance="else", speaker="ben")], NOON)
    assert other.result == "created"


def test_a_verdict_that_is_now_pass_leaves_the_case(telling: SqlReviewStore) -> None:
    [made] = telling.add([judged(7, "review")], NOON)
    assert telling.add([judged(8, "pass", flagged=())], NOON + 5) == []
    assert telling.case(made.case).case.status == "pending"


def test_the_utterance_is_counted_once(telling: SqlReviewStore) -> None:
    for version in (7, 8):
        telling.add([judged(version, "review")], NOON)
    with telling._database.read() as connection:
        rows = connection.execute(select(TALLIES.c.measure, func.sum(TALLIES.c.count)).group_by(TALLIES.c.measure))
        counts = {row[0]: row[1] for row in rows}
    assert counts["monitored"] == 1
