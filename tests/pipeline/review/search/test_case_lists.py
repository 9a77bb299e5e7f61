"""What the pages of speakers and rooms read, on both databases."""

from pipeline.review.cases import user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.search import case_lists
from pipeline.review.search.finding import Viewer
from tests.builders import NOON, flag

LEAD = Viewer(checked=True)


def test_rooms_speakers_and_reports(database: Database) -> None:
    store = SqlReviewStore(database)
    [first] = store.add([flag("a", 0, 5)], NOON)
    store.add([flag("b", 20, 25)], NOON + 20)
    store.add([flag("c", 40, 45, room="den")], NOON + 40)
    store.add([flag("d", 60, 65, speaker="ben")], NOON + 60)
    store.decide(first.case, "ana", Choice(verdict="uphold", action="warn"), NOON + 70)
    with database.write() as connection:
        user_reports.file(connection, Complaint(room="room", text="help", at=NOON + 80), NOON + 80, Ranking({}), 60.0)
    with database.read() as connection:
        rooms = case_lists.rooms_of(connection, "ann", LEAD)
        assert [(one.id, one.cases, one.last) for one in rooms] == [("den", 1, NOON + 40), ("room", 2, NOON + 20)]
        people = case_lists.speakers_of(connection, "room", NOON + 10, NOON - 100, LEAD)
        assert [(one.id, one.cases, one.strikes) for one in people] == [("ben", 1, 0), ("ann", 1, 1)]
        assert [one.text for one in case_lists.reports_in(connection, "room", LEAD)] == ["help"]
        last = case_lists.last_spoken(connection, LEAD, speaker="ann")
        assert last
        assert last.id == "c"
        assert case_lists.last_spoken(connection, LEAD, room="nowhere") is None
        lanes = case_lists.timeline(connection, "room", NOON, NOON + 61, LEAD)
        assert {name: [one.flag.id for one in lane] for name, lane in lanes.items()} == {
            "ann": ["a", "b"],
            "ben": ["d"],
        }
        assert list(case_lists.timeline(connection, "room", NOON + 10, NOON + 60, LEAD)) == ["ann"]
