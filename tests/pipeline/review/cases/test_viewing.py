"""Who has a case open to read."""

from pipeline.review.cases import viewing
from pipeline.review.cases.viewing import MOST_PAGES, SHOWN_SECONDS
from pipeline.review.database import Database
from tests.builders import NOON


def note(database: Database, account: str, page: str, case: str, at: float = NOON) -> None:
    with database.write() as connection:
        viewing.note(connection, account, page, case, at)


def shown(database: Database, at: float = NOON) -> dict[str, frozenset[str]]:
    with database.read() as connection:
        return viewing.everybody(connection, at)


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
        viewing.end(connection, "ben", "1")  # nobody ends the page of another person
        viewing.end(connection, "ana", "1")
    assert shown(database) == {"a": {"ana"}}
    with database.write() as connection:
        viewing.end(connection, "ana", "2")
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
