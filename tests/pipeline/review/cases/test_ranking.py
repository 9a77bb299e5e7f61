"""The order of the queue: severity, deadline, urgency."""

import pytest

from pipeline.review.cases import reading
from pipeline.review.cases.ranking import HEAD_START, TARGETS, Ranking
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import flag

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
