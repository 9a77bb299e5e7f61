"""Drills: lines with verdicts, decisions and actions; orders to stop test rooms; results, hazards and schedule."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, delete, select

from pipeline.assessment import drills, hazards
from pipeline.assessment.drill_speech import DrillLine
from pipeline.assessment.drills import Drill, DrillCell, Times
from pipeline.assessment.hazards import Finding
from pipeline.base.errors import InputError, Missing
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.delivery import enforcements
from pipeline.review.delivery.enforcements import Confirmation
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import CASES, DECISIONS, FLAGS, OUTBOX
from tests.builders import NOON, flag

LINES = [
    DrillLine("zh-violence-1", "zh", "violence", "打死你"),
    DrillLine("zh-violence-2", "zh", "violence", "弄死你"),
    DrillLine("zh-clean-1", "zh", "", "你好"),
    DrillLine("en-fraud-1", "en", "fraud", "send me the code"),
]
DAY = 86_400.0


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def begun(database: Database) -> tuple[Drill, dict[str, str]]:
    """Begin a drill whose speech ends at NOON + 5. Return the room of each line, too."""
    with database.write() as connection:
        drill, rooms = drills.begin(connection, LINES, "lea", NOON)
        for room in rooms:
            drills.spoken(connection, drill.id, room, NOON + 5)
    return drill, {line.name: room for room, line in rooms.items()}


def judge(database: Database, drill: Drill, room: str, suggestion: str, at: float, *flagged: str) -> str:
    """Store a verdict on a line. Return the id of its case, empty if it passed."""
    spoken = flag(room, 4, 5, room=room, speaker="drill", suggestion=suggestion, drill=drill.id, flagged=flagged)
    outcomes = SqlReviewStore(database).add([spoken], NOON + at)
    return outcomes[0].case if outcomes else ""


def confirm(connection: Connection, decision: str, at: float, **changes: Any) -> None:
    given = Confirmation(decision=decision, action="close_room", result="done", at=NOON + at, received_at=NOON + at)
    enforcements.confirm(connection, structs.replace(given, **changes))


def results(database: Database, drill: Drill) -> list[drills.LineResult]:
    with database.read() as connection:
        return drills.results(connection, drill.id)


def test_a_drill_measures_detection_by_label_and_language_and_each_time(database: Database) -> None:
    drill, rooms = begun(database)
    case = judge(database, drill, rooms["zh-violence-1"], "review", 7, "violence")
    judge(database, drill, rooms["zh-violence-2"], "pass", 8)
    judge(database, drill, rooms["zh-clean-1"], "pass", 8)
    store = SqlReviewStore(database)
    decision = store.decide(case, "ana", Choice(verdict="uphold", action="close_room"), NOON + 20)
    with database.write() as connection:
        assert drills.waiting(connection, drill) == 1
        confirm(connection, decision.id, 25)
        drills.end(connection, drill.id, "lea", NOON + 60)
        assert drills.get(connection, drill.id).ended_at == NOON + 60
    found = results(database, drill)
    assert drills.cells(found) == [
        DrillCell("en", "fraud", 1, 0, 0, 0),
        DrillCell("zh", "", 1, 1, 1, 0),
        DrillCell("zh", "violence", 2, 2, 1, 1),
    ]
    assert drills.times(found) == {"flag": Times(1, 2, 2), "decision": Times(1, 15, 15), "action": Times(1, 20, 20)}
    assert [(each.about, each.title.split(": ")[1]) for each in drills.findings(drill, found)] == [
        ("5(4).drill en fraud", "en fraud 0 / 1"),
        ("5(4).drill zh violence", "zh violence 1 / 2"),
    ]


def test_an_undone_decision_and_a_failed_action_do_not_count_as_acted(database: Database) -> None:
    drill, rooms = begun(database)
    room = rooms["zh-violence-1"]
    case = judge(database, drill, room, "review", 7, "violence")
    store = SqlReviewStore(database)
    decision = store.decide(case, "ana", Choice(verdict="uphold", action="close_room"), NOON + 20)
    with database.write() as connection:
        confirm(connection, decision.id, 25, result="failed")
    (line,) = (each for each in results(database, drill) if each.room == room)
    assert (line.decided_at, line.acted_at, line.failed) == (NOON + 20, None, True)


def test_a_drill_needs_lines_and_a_known_id(connection: Connection) -> None:
    with pytest.raises(InputError, match="no lines"):
        drills.begin(connection, [], "lea", NOON)
    with pytest.raises(Missing):
        drills.end(connection, "none", "lea", NOON)


def test_a_drill_that_could_not_be_spoken_leaves_nothing_but_its_lines_in_the_audit_log(database: Database) -> None:
    held, _ = begun(database)
    drill, room_of = begun(database)
    with database.write() as connection:
        drills.cancel(connection, drill.id, "lea", NOON + 6)
        assert drills.all_drills(connection) == [held]
        with pytest.raises(Missing):
            drills.results(connection, drill.id)
        assert len(drills.results(connection, held.id)) == len(LINES)
        lines = [line for line in audit_log.all_lines(connection) if line.subject == drill.id]
    assert [line.action for line in lines] == ["drill.start", "drill.cancel"]
    judge(database, drill, next(iter(room_of.values())), "block", 7)  # what was already spoken may still come


def test_a_stop_drill_sends_an_event_for_each_room_at_once_and_takes_the_confirmations(database: Database) -> None:
    with database.write() as connection:
        drill = drills.order_stop(connection, ["test-1", "test-2", "test-3"], "lea", NOON)
        events = [(row.payload, row.send_at) for row in connection.execute(select(OUTBOX))]
    assert {(event["room"], event["drill"], at) for event, at in events} == {
        (f"test-{n}", drill.id, NOON) for n in (1, 2, 3)
    }
    assert {event["decision"]["action"] for event, _ in events} == {"close_room"}
    with database.write() as connection:
        rows = connection.execute(
            select(CASES.c.room, DECISIONS.c.id).join(DECISIONS, DECISIONS.c.case_id == CASES.c.id)
        )
        ids = {row[0]: row[1] for row in rows}
        confirm(connection, ids["test-1"], 2)
        confirm(connection, ids["test-2"], 9)
        confirm(connection, ids["test-3"], 3, result="failed")
    found = results(database, drill)
    assert drills.times(found)["action"] == Times(2, 5.5, 9)
    assert [(line.room, line.acted_at, line.failed) for line in found] == [
        ("test-1", NOON + 2, False),
        ("test-2", NOON + 9, False),
        ("test-3", None, True),
    ]
    (finding,) = drills.findings(drill, found)
    assert (finding.about, finding.title) == ("I-28.drill", f"{drill.id}: 2 / 3")


@pytest.mark.parametrize("rooms", [[], ["a", "a"]])
def test_a_stop_drill_needs_different_rooms(connection: Connection, rooms: list[str]) -> None:
    with pytest.raises(InputError):
        drills.order_stop(connection, rooms, "lea", NOON)


def test_the_time_of_a_stop_outlives_its_case(database: Database) -> None:
    with database.write() as connection:
        drill = drills.order_stop(connection, ["test-1"], "lea", NOON)
        confirm(connection, connection.scalars(select(DECISIONS.c.id)).one(), 4)
        for table in (DECISIONS, FLAGS, CASES):
            connection.execute(delete(table))
    (line,) = results(database, drill)
    assert line.acted_at == NOON + 4


def test_a_second_stop_drill_of_the_same_rooms_is_a_new_order(database: Database) -> None:
    for at in (NOON, NOON + 1):
        with database.write() as connection:
            drills.order_stop(connection, ["test-1"], "lea", at)
    with database.read() as connection:
        assert len(connection.execute(select(OUTBOX)).all()) == 2


def test_a_failed_drill_opens_one_hazard_however_often_it_fails(database: Database) -> None:
    for at in (0, 1):
        with database.write() as connection:
            drill = drills.order_stop(connection, [f"test-{at}"], "lea", NOON + at)
            assert list(drills.failures(connection)) == [] or at  # it has not ended
            drills.end(connection, drill.id, "lea", NOON + at)
            assert len(hazards.find_all(connection, drills.failures(connection), "lea", NOON + at)) == 1 - at


def test_a_drill_after_the_fix_that_stops_every_room_closes_the_hazard(connection: Connection) -> None:
    def held(room: str, at: float, *, stops: bool) -> Drill:
        drill = drills.order_stop(connection, [room], "lea", NOON + at)
        if stops:
            query = select(DECISIONS.c.id).join(CASES, CASES.c.id == DECISIONS.c.case_id)
            confirm(connection, connection.scalars(query.where(CASES.c.drill == drill.id)).one(), at + 1)
        drills.end(connection, drill.id, "lea", NOON + at + 2)
        return drill

    held("test-1", 0, stops=False)
    held("test-2", 10, stops=True)
    (hazard,) = hazards.find_all(
        connection, [Finding(source="drill", about="I-28.drill", title="one room stayed open")], "lea", NOON + 15
    )
    hazards.fix(connection, hazard.id, "a new version of the app", "ben", NOON + 20)
    assert drills.recheck(connection, "lea", NOON + 21) == []
    held("test-3", 30, stops=False)
    assert drills.recheck(connection, "lea", NOON + 35) == []
    passed = held("test-4", 40, stops=True)
    (closed,) = drills.recheck(connection, "lea", NOON + 45)
    assert (closed.id, closed.steps[-1].evidence) == (hazard.id, ({"drill": passed.id, "lines": 1},))


def test_drills_are_listed_by_their_kind(connection: Connection) -> None:
    drills.begin(connection, LINES, "lea", NOON)
    drills.order_stop(connection, ["test-1"], "lea", NOON)
    assert {drill.kind for drill in drills.all_drills(connection)} == {"detection", "stop"}
    assert [drill.kind for drill in drills.all_drills(connection, "stop")] == ["stop"]
