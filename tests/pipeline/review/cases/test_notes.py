"""Notes on a case, and the people that they name."""

from pathlib import Path

import pytest

from pipeline.base.errors import CaseError, Missing
from pipeline.review import audit_log
from pipeline.review.accounts import accounts
from pipeline.review.cases import notes
from pipeline.review.cases.notes import LONGEST, MOST_NAMED
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import erasure
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


@pytest.fixture
def case(database: Database) -> str:
    return SqlReviewStore(database).add([flag("a", 0, 5)], NOON)[0].case


def write(database: Database, case: str, text: str, author: str = "ana", at: float = NOON) -> notes.Note:
    with database.write() as connection:
        return notes.add_note(connection, case, author, text, at)


def unread(database: Database, account: str) -> list[str]:
    with database.read() as connection:
        return [one.note for one in notes.unread(connection, account)]


def test_a_thread_is_in_order_of_time(database: Database, case: str) -> None:
    written = [write(database, case, f" {text} ", at=NOON + n) for n, text in enumerate("abc")]
    with database.read() as connection:
        found = notes.notes_of(connection, case)
    assert found == written
    assert [one.text for one in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("@ben look", {"ben"}),
        ("看看，@ben：这是？@lea！", {"ben", "lea"}),
        ("(@ben), @lea.", {"ben", "lea"}),
        ("write to ana@ben.example", set()),
        ("@nobody, @eve, @Ben", set()),
        ("@anna-maria and @o.k.", {"anna-maria", "o.k."}),
        ("@李雷，请看", {"李雷"}),
        ("@李雷请看 @李", {"李雷"}),
        ("@benjamin and @ben.", {"ben"}),
        ("@ben li", {"ben li"}),
    ],
)
def test_mentions_written_by_hand(database: Database, text: str, named: set[str]) -> None:
    with database.write() as connection:
        for name in ("anna-maria", "o.k.", "李雷", "ben li"):
            accounts.add_account(connection, name, "moderator", NOON, "test")
        accounts.add_account(connection, "eve", "moderator", NOON, "test")
        accounts.change_account(connection, "eve", NOON, "test", disabled=True)
        assert notes.mentioned(connection, text) == named


def test_a_person_reads_their_mentions_once(database: Database, case: str) -> None:
    first = write(database, case, "@ben @ana look")
    second = write(database, case, "@ben again", "lea", NOON + 1)
    assert (unread(database, "ben"), unread(database, "ana")) == ([second.id, first.id], [])
    with database.write() as connection:
        [newest, _] = notes.unread(connection, "ben")
        assert (newest.author, newest.label, newest.status) == ("lea", "violence", "pending")
        notes.mark_read(connection, "ben", case)
    assert unread(database, "ben") == []


def test_a_party_to_the_case_is_not_told(database: Database) -> None:
    [made] = SqlReviewStore(database).add([flag("a", 0, 5, speaker="ben")], NOON)
    note = write(database, made.case, "@ben @lea look")
    assert (unread(database, "ben"), unread(database, "lea")) == ([], [note.id])


def test_the_audit_log_has_no_text(database: Database, case: str) -> None:
    note = write(database, case, "a secret for @ben")
    with database.read() as connection:
        [line] = audit_log.newest_lines(connection, subject=case, limit=1)
    assert (line.action, line.detail) == ("case.note", f'{{"mentions":["ben"],"note":"{note.id}"}}')


def test_notes_are_bounded(database: Database, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"m{n}" for n in range(MOST_NAMED + 1)]
    with database.write() as connection:
        for name in names:
            accounts.add_account(connection, name, "moderator", NOON, "test")
    for text, wrong in ((" ", "0 characters"), ("x" * (LONGEST + 1), f"{LONGEST + 1} characters")):
        with pytest.raises(CaseError, match=wrong):
            write(database, case, text)
    with pytest.raises(CaseError, match="names 11 people"):
        write(database, case, " ".join(f"@{name}" for name in names))
    monkeypatch.setattr(notes, "MOST", 1)
    write(database, case, "x" * LONGEST)
    with pytest.raises(CaseError, match="has 1 notes"):
        write(database, case, "one more")
    with pytest.raises(Missing):
        write(database, "0" * 8, "no case")


def test_notes_follow_a_merged_case_and_go_with_it(database: Database, tmp_path: Path) -> None:
    store = SqlReviewStore(database)
    first, second = (store.add([one], one.end)[0].case for one in (flag("a", 0, 5), flag("b", 10, 15)))
    note = write(database, second, "@ben look")
    store.add([flag("between", 4, 11)], NOON + 1)
    with database.write() as connection:
        assert [one.id for one in notes.notes_of(connection, first)] == [note.id]
        erasure.delete_case(connection, EvidenceFolder(tmp_path), first)
        assert notes.notes_of(connection, first) == []
    assert unread(database, "ben") == []
