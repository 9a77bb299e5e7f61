"""Who is at the desk."""

from sqlalchemy import select, update

from pipeline.review.accounts import presence, sign_in, wellness
from pipeline.review.accounts.presence import GONE_SECONDS, IDLE_SECONDS, MOST_PAGES, QUARTER, SHOWN_SECONDS
from pipeline.review.database import Database
from pipeline.review.tables.core import ACCOUNTS
from pipeline.review.tables.people_tables import DUTY
from tests.builders import NOON
from tests.pipeline.review.people import sit_down


def seen(database: Database, at: float) -> dict[str, str]:
    with database.read() as connection:
        return dict(presence.all_presences(connection, at))


def test_people_are_here_while_their_page_is_open(database: Database) -> None:
    sit_down(database, "ana", "ben")
    assert seen(database, NOON + 1) == {"ana": "here", "ben": "here"}
    with database.write() as connection:
        presence.note_presence(connection, ["ben"], NOON + 50)
    assert seen(database, NOON + GONE_SECONDS) == {"ben": "here"}
    assert seen(database, NOON + 50 + GONE_SECONDS) == {}


def test_an_open_page_without_a_person_is_nobody(database: Database) -> None:
    sit_down(database, "ana")
    with database.write() as connection:
        presence.note_presence(connection, ["ana"], NOON + IDLE_SECONDS)
    assert seen(database, NOON + IDLE_SECONDS) == {}


def test_a_late_console_does_not_set_the_time_back(database: Database) -> None:
    sit_down(database, "ana", at=NOON + 100)
    with database.write() as connection:
        presence.note_presence(connection, ["ana"], NOON)
    assert seen(database, NOON + 130) == {"ana": "here"}


def test_who_takes_a_break_takes_no_case(database: Database) -> None:
    sit_down(database, "ana", "ben")
    with database.write() as connection:
        wellness.start_break(connection, "ana", NOON + 1)
        assert presence.people_here(connection, NOON + 2) == {"ben"}
    assert seen(database, NOON + 2) == {"ana": "resting", "ben": "here"}
    with database.write() as connection:
        wellness.end_break(connection, "ana", NOON + 3)
    assert seen(database, NOON + 4)["ana"] == "here"


def on_duty(database: Database) -> dict[tuple[float, str], str]:
    """The roles by the beginning of the quarter hour and the person."""
    with database.read() as connection:
        return {(row.quarter * QUARTER, row.account): row.role for row in connection.execute(select(DUTY))}


def test_people_are_on_duty_in_each_quarter_hour_in_which_they_are_here(database: Database) -> None:
    sit_down(database, "ana", "lea", at=NOON + 600)
    with database.write() as connection:
        for seconds in (615, QUARTER - 0.5, QUARTER, QUARTER + 15):
            presence.note_presence(connection, ["ana"], NOON + seconds)
    assert on_duty(database) == {
        (NOON, "ana"): "moderator",
        (NOON, "lea"): "lead",
        (NOON + QUARTER, "ana"): "moderator",
    }


def test_nobody_is_on_duty_on_a_break_or_away_from_an_open_page(database: Database) -> None:
    sit_down(database, "ana", "ben")
    later = NOON + QUARTER
    with database.write() as connection:
        wellness.start_break(connection, "ana", later - 30)
        sign_in.begin_session(connection, "lea", later - 30)
        presence.note_presence(connection, ["ana", "ben", "lea"], later)
    assert {person for at, person in on_duty(database) if at == later} == {"lea"}


def test_the_first_role_of_a_quarter_hour_stays(database: Database) -> None:
    sit_down(database, "ana")
    with database.write() as connection:
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.name == "ana").values(role="lead"))
        presence.note_presence(connection, ["ana"], NOON + 15)
        presence.note_presence(connection, ["ana"], NOON + QUARTER - 1)
    assert on_duty(database) == {(NOON, "ana"): "moderator"}


def note(database: Database, account: str, page: str, case: str, at: float = NOON) -> None:
    with database.write() as connection:
        presence.note_viewer(connection, account, page, case, at)


def shown(database: Database, at: float = NOON) -> dict[str, frozenset[str]]:
    with database.read() as connection:
        return presence.all_viewers(connection, at)


def test_a_page_shows_one_case_until_it_says_nothing_more(database: Database) -> None:
    note(database, "ana", "1", "a")
    note(database, "ben", "2", "a")
    assert shown(database) == {"a": {"ana", "ben"}}
    note(database, "ana", "1", "b", NOON + 10)
    assert shown(database, NOON + 10) == {"a": {"ben"}, "b": {"ana"}}
    assert shown(database, NOON + SHOWN_SECONDS) == {"b": {"ana"}}
    assert shown(database, NOON + 10 + SHOWN_SECONDS) == {}


def test_a_closed_page_leaves_the_other_pages_of_the_person(database: Database) -> None:
    note(database, "ana", "1", "a")
    note(database, "ana", "2", "a")
    with database.write() as connection:
        presence.end_viewing(connection, "ben", "1")  # nobody ends the page of another person
        presence.end_viewing(connection, "ana", "1")
    assert shown(database) == {"a": {"ana"}}
    with database.write() as connection:
        presence.end_viewing(connection, "ana", "2")
    assert shown(database) == {}


def test_two_people_may_have_the_same_page_id(database: Database) -> None:
    note(database, "ana", "1", "a")
    note(database, "ben", "1", "b")
    assert shown(database) == {"a": {"ana"}, "b": {"ben"}}


def test_the_pages_of_a_person_are_bounded(database: Database) -> None:
    for number in range(MOST_PAGES + 3):
        note(database, "ana", str(number), f"case {number}", NOON + number)
    assert shown(database, NOON).keys() == {f"case {number}" for number in range(3, MOST_PAGES + 3)}


def test_old_rows_go_with_the_next_word_of_anybody(database: Database) -> None:
    note(database, "ana", "1", "a")
    note(database, "ben", "2", "b", NOON + SHOWN_SECONDS)
    assert shown(database, NOON - 1) == {"b": {"ben"}}
