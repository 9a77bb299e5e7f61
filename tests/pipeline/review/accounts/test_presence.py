"""Who is at the desk."""

from pipeline.review.accounts import presence, wellness
from pipeline.review.accounts.presence import GONE_SECONDS, IDLE_SECONDS
from pipeline.review.database import Database
from tests.builders import NOON
from tests.pipeline.review.people import sit_down


def seen(database: Database, at: float) -> dict[str, str]:
    with database.read() as connection:
        return dict(presence.everybody(connection, at))


def test_people_are_here_while_their_page_is_open(database: Database) -> None:
    sit_down(database, "ana", "ben")
    assert seen(database, NOON + 1) == {"ana": "here", "ben": "here"}
    with database.write() as connection:
        presence.note(connection, ["ben"], NOON + 50)
    assert seen(database, NOON + GONE_SECONDS) == {"ben": "here"}
    assert seen(database, NOON + 50 + GONE_SECONDS) == {}


def test_an_open_page_without_a_person_is_nobody(database: Database) -> None:
    sit_down(database, "ana")
    with database.write() as connection:
        presence.note(connection, ["ana"], NOON + IDLE_SECONDS)
    assert seen(database, NOON + IDLE_SECONDS) == {}


def test_a_late_console_does_not_set_the_time_back(database: Database) -> None:
    sit_down(database, "ana", at=NOON + 100)
    with database.write() as connection:
        presence.note(connection, ["ana"], NOON)
    assert seen(database, NOON + 130) == {"ana": "here"}


def test_who_takes_a_break_takes_no_case(database: Database) -> None:
    sit_down(database, "ana", "ben")
    with database.write() as connection:
        wellness.start_break(connection, "ana", NOON + 1)
        assert presence.here(connection, NOON + 2) == {"ben"}
    assert seen(database, NOON + 2) == {"ana": "resting", "ben": "here"}
    with database.write() as connection:
        wellness.end_break(connection, "ana", NOON + 3)
    assert seen(database, NOON + 4)["ana"] == "here"
