"""The words of cases: written with the case, changed with it, and gone with it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import delete, select, text

from pipeline.review.cases import user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure
from pipeline.review.quality import drawing
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.search import case_words
from pipeline.review.search.case_words import LENGTH, fold, grams, needles
from pipeline.review.tables.case_tables import SAID
from pipeline.review.tables.core import CASES
from tests.builders import NOON, flag
from tests.pipeline.review import release


@pytest.fixture
def store(database: Database) -> SqlReviewStore:
    return SqlReviewStore(database)


@pytest.fixture
def upgraded(empty_url: str) -> Iterator[Database]:
    """Return an upgraded store of 0.1.0, which had no words."""
    release.make_store(empty_url)
    with closing(Database(empty_url)) as opened:
        yield opened


def words_of(database: Database) -> dict[str, str]:
    with database.read() as connection:
        return {row.case_id: row.text for row in connection.execute(select(SAID.c.case_id, SAID.c.text))}


def test_a_case_has_the_words_of_all_its_flags(database: Database, store: SqlReviewStore) -> None:
    [first] = store.add([flag("a", 0, 1, text="先转两百", hits=())], NOON)
    assert words_of(database) == {first.case: "先转两百"}
    [third] = store.add([flag("c", 2, 3, text="Second CASE", hits=())], NOON + 1)
    assert words_of(database)[third.case] == "second case"
    store.add([flag("b", 1, 2, text="between", hits=())], NOON + 2)
    assert words_of(database) == {first.case: "先转两百\nbetween\nsecond case"}, "the merged case is gone"


def test_a_disguised_word_is_found_by_the_term_that_it_hit(database: Database, store: SqlReviewStore) -> None:
    store.add([flag("a", text="弄s你 a")], NOON)
    assert list(words_of(database).values()) == ["弄s你a\n弄死你"]


def test_speech_that_is_linked_to_a_decided_case_is_found_there(database: Database, store: SqlReviewStore) -> None:
    [made] = store.add([flag("a", 0, 5, text="once", hits=())], NOON)
    store.decide(made.case, "ana", Choice(verdict="uphold"), NOON)
    store.add([flag("b", 0, 5, text="once again", hits=())], NOON)
    assert words_of(database) == {made.case: "once\nonce again"}


def test_reports_have_a_row_and_copies_have_none(database: Database, store: SqlReviewStore, tmp_path: Path) -> None:
    [made] = store.add([flag("a")], NOON)
    store.decide(made.case, "ana", Choice(verdict="uphold"), NOON)
    with database.write() as connection:
        report, _ = user_reports.file(connection, Complaint(room="den", at=NOON), NOON, Ranking({}), 60.0)
        drawing.copy(connection, EvidenceFolder(tmp_path), "second", made.case, "cause", 0.1, NOON)
    assert case_words.catch_up(database) == 0
    assert words_of(database).keys() == {made.case, report.case}


def test_words_of_older_cases_are_added_in_the_background(upgraded: Database) -> None:
    with upgraded.read() as connection:
        cases = set(connection.scalars(select(CASES.c.id)))
        assert case_words.is_indexing(connection)
    assert case_words.catch_up(upgraded) == len(cases)
    assert words_of(upgraded).keys() == cases
    assert any("弄死" in words for words in words_of(upgraded).values())
    assert case_words.catch_up(upgraded) == 0
    with upgraded.read() as connection:
        assert not case_words.is_indexing(connection)


def test_a_process_of_the_version_before_can_delete_cases(database: Database, store: SqlReviewStore) -> None:
    store.add([flag("a")], NOON)
    with database.write() as connection:
        connection.execute(text("DELETE FROM flags"))
        connection.execute(delete(CASES))
    assert words_of(database) == {}


def test_no_word_outlives_an_erasure(sqlite_url: str, tmp_path: Path) -> None:
    """FTS5 keeps deleted words in its older parts until they are merged."""
    with closing(Database(sqlite_url)) as database:
        store = SqlReviewStore(database)
        others = [flag(f"{n}", 10 * n, 10 * n + 1, speaker="ben", text=f"zyv{n:03}", hits=()) for n in range(300)]
        for first in range(0, 300, 50):
            store.add(others[first : first + 50], NOON)
        store.add([flag("mine", text="qkwj", hits=())], NOON)
        assert held(database, "qkw"), "the test would see a word that stays"
        with database.write() as connection:
            request = erasure.ask_erasure(connection, "ann", "ada", NOON + 10)
        erasure.carry_out(database, EvidenceFolder(tmp_path), request, "ada", NOON + 20)
        assert held(database, "zyv")
        assert not held(database, "qkw")


def held(database: Database, gram: str) -> bool:
    """Tell whether the pages of the index contain a gram."""
    with database.read() as connection:
        return any(gram.encode() in page for page in connection.scalars(text("SELECT block FROM said_index_data")))


LETTERS = st.sampled_from("ab1 加微信傻-かﾊｸé　.，’Ая\u0e01\u0e31\u200b")


def found(phrase: str, text: str) -> bool:
    """Tell whether the index would give the text for the phrase."""
    known, asked = grams(fold(text)), needles(fold(phrase))
    begun = all(any(gram.startswith(one) for gram in known) for one in asked.beginnings)
    return set(asked.whole) <= known and begun


def test_chinese_needs_no_spaces_and_latin_words_are_found_in_part() -> None:
    text = "很简单，你先转两百，一小时返现四百。Cashback doubles"
    for phrase in ("返现", "返", "先转两百", "现四", "cash", "BACK", "hb", "ouble"):
        assert found(phrase, text), phrase
    for phrase in ("返四", "百转", "backcash", "cashbags"):
        assert not found(phrase, text), phrase


def test_other_spellings_give_the_same_grams() -> None:
    assert grams(fold("ＣＡＳＨ返現")) == grams(fold("cash返现"))


@given(st.text(LETTERS, max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_each_part_of_a_folded_text_is_found(text: str, start: int, end: int) -> None:
    folded = fold(text)
    known, asked = grams(folded), needles(folded[start:end])
    assert set(asked.whole) <= known
    assert all(any(gram.startswith(one) for gram in known) for one in asked.beginnings)


@given(st.text())
@example("\U0002ebe1")  # newer than the Unicode tables of Python 3.11
def test_grams_need_no_escapes(text: str) -> None:
    """No gram can end the quotes in which the databases get it."""
    assert all(not set(gram) & set("'\"\\ \0") and 1 <= len(gram) <= LENGTH for gram in grams(fold(text)))
