"""Deliver writes the verdict on each test utterance of a drill, also if it passed."""

from typing import Any

from sqlalchemy import insert, select

from pipeline.contract.messages import Flag
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.assessment_tables import DRILL_LINES, DRILLS
from tests.builders import NOON, flag


def begin(database: Database, *rooms: str) -> None:
    drill = {"id": "d1", "kind": "detection", "started_by": "lea", "started_at": NOON}
    lines = [
        {"drill": "d1", "room": room, "language": "zh", "label": "violence", "text": "打死你", "spoken_at": NOON}
        for room in rooms
    ]
    with database.write() as connection:
        connection.execute(insert(DRILLS).values(drill))
        connection.execute(insert(DRILL_LINES), lines)


def said(name: str, room: str, suggestion: str = "review", **changes: Any) -> Flag:
    return flag(name, 0, 1, **{"room": room, "suggestion": suggestion, "drill": "d1"} | changes)


def verdicts(database: Database) -> dict[str, tuple[Any, ...]]:
    columns = ("suggestion", "flagged", "heard", "stored_at")
    with database.read() as connection:
        rows = connection.execute(select(DRILL_LINES)).all()
    return {row.room: tuple(getattr(row, name) for name in columns) for row in rows}


def test_each_line_gets_its_verdict_and_a_pass_is_one(database: Database) -> None:
    begin(database, "a", "b", "c")
    store = SqlReviewStore(database)
    passed = said("2", "b", "pass", flagged=(), hits=(), text="你好")
    store.add([said("1", "a"), passed, said("3", "c", drill="")], NOON + 3)
    assert verdicts(database) == {
        "a": ("review", ["violence"], "弄死你 1", NOON + 3),
        "b": ("pass", [], "你好", NOON + 3),
        "c": (None, None, None, None),
    }


def test_the_worst_verdict_of_a_line_counts_and_a_flag_delivered_again_changes_nothing(database: Database) -> None:
    begin(database, "a")
    store = SqlReviewStore(database)
    first, second = said("1", "a", "pass"), said("2", "a", "block")
    for at, batch in enumerate(([first], [second], [first, second], [first])):
        store.add(batch, NOON + at)
    assert verdicts(database)["a"] == ("block", ["violence"], "弄死你 2", NOON + 1)


def test_speech_of_an_unknown_drill_changes_nothing(database: Database) -> None:
    begin(database, "a")
    SqlReviewStore(database).add([said("1", "a", drill="d2"), said("2", "elsewhere")], NOON)
    assert verdicts(database) == {"a": (None, None, None, None)}
