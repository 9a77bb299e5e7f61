"""The bank of banned recordings in the store, on SQLite and on PostgreSQL."""

from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from pipeline.base.errors import DependencyError, InputError, Missing
from pipeline.contract.messages import HeardSound
from pipeline.review import audit_log, recording_bank
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database, visit
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.quality import drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.recording_bank import Bank
from pipeline.review.review_store import SqlReviewStore
from pipeline.sound.fingerprints.fingerprint import Fingerprint
from tests.builders import NOON, sound_flag
from tests.pipeline.review.banning import ban, unban
from tests.pipeline.sound.fingerprints.music import banned
from tests.ports import free_port


def later(seed: int, seconds: float = 9.0) -> Fingerprint:
    """A recording that is banned some seconds later than the others."""
    made = banned(seed)
    longer = structs.replace(made.recording.ban, added_at=made.recording.ban.added_at + seconds)
    return made._replace(recording=structs.replace(made.recording, ban=longer))


def heard(seed: int) -> HeardSound:
    return HeardSound(kind="recording", name="A song", reference=banned(seed).id, score=0.8)


def lines(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as connection:
        found = [*audit_log.all_lines(connection)]
        assert audit_log.verify_chain(connection).broken is None
    return [(line.actor, line.action, line.subject) for line in found if line.action.startswith("recording.")]


def test_recordings_are_added_read_listed_and_removed(database: Database, url: str) -> None:
    first, second = banned(1), later(2)
    ban(url, first, second)
    reader = Bank(url)
    by_id = sorted([first, second])
    assert reader.state() == tuple((each.id, each.recording.ban.added_at) for each in by_id)
    for made, found in zip(by_id, reader.fingerprints(), strict=True):
        assert (found.id, found.recording) == (made.id, made.recording)
        assert [part.tolist() for part in found.landmarks] == [part.tolist() for part in made.landmarks]
    with database.read() as connection:
        shown = recording_bank.list_recordings(connection)
    assert [(each.id, each.recording, each.cases, each.heard_at) for each in shown] == [
        (second.id, second.recording, 0, None),
        (first.id, first.recording, 0, None),
    ]
    unban(url, first.id)
    assert [name for name, _ in reader.state()] == [second.id]
    assert lines(database) == [
        ("lin", "recording.ban", first.id),
        ("lin", "recording.ban", second.id),
        ("lin", "recording.unban", first.id),
    ]


def test_a_recording_is_added_once(database: Database, url: str) -> None:
    ban(url, banned(1))
    again = banned(1)._replace(
        recording=structs.replace(
            banned(1).recording, ban=structs.replace(banned(1).recording.ban, title="Another title")
        )
    )
    with pytest.raises(InputError, match=f"Another title is in the bank already, as {banned(1).id} A song"):
        ban(url, again)
    assert len(lines(database)) == 1


def test_what_is_not_there_cannot_be_removed(database: Database, url: str) -> None:
    with pytest.raises(Missing, match=r"has no recording 0123456789abcdef\. The console's page"):
        unban(url, "0123456789abcdef")
    assert lines(database) == []


def test_a_full_bank_takes_no_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_bank, "MAX_RECORDINGS", 1)
    ban(url, banned(1))
    with pytest.raises(InputError, match=r"has 1 recordings\. Remove some first"):
        ban(url, banned(2))


def test_a_large_bank_is_read_in_parts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_bank, "BATCH", 2)
    made = [banned(1)._replace(id=f"{number:016x}") for number in range(5)]
    assert [each.id for each in ban(url, *made).fingerprints()] == [each.id for each in made]


def test_a_recording_that_was_banned_anew_changes_the_state(url: str) -> None:
    reader = ban(url, banned(1))
    before = reader.state()
    unban(url, banned(1).id)
    ban(url, later(1))
    assert reader.state() != before


def test_the_list_counts_the_cases_in_which_a_recording_was_heard(
    store: SqlReviewStore, url: str, tmp_path: Path
) -> None:
    """A case that has two playbacks counts once. A copy for a quality check does not count."""
    ban(url, banned(1), later(2))
    flags = [
        sound_flag("a", 0, 10, sound=heard(1)),
        sound_flag("b", 10, 25, sound=heard(1)),
        sound_flag("c", 900, 910, sound=heard(1), speaker="ben"),
    ]
    first, *_ = store.add(flags, NOON)
    store.decide(first.case, "ana", Choice(verdict="uphold", reason="confirmed"), NOON + 20)
    with closing(Database(url)) as database:
        with database.write() as connection:
            assert drawing.draw(connection, EvidenceFolder(tmp_path), NOON + 3_600, Shares(1.0, 0.0), 10)
        with database.read() as connection:
            second, one = recording_bank.list_recordings(connection)
    assert (one.cases, one.heard_at) == (2, NOON + 910)
    assert (second.cases, second.heard_at) == (0, None)


@pytest.mark.parametrize(
    ("words", "found"), [("", 2), ("SONG", 2), ("moon", 1), ("4711", 1), ("%", 0), (banned(1).id[:9], 1), ("none", 0)]
)
def test_recordings_are_found_by_title_reason_and_id(database: Database, url: str, words: str, found: int) -> None:
    other = structs.replace(banned(2).recording.ban, title="A song of the moon", reason="Notice 4711")
    ban(url, banned(1), banned(2)._replace(recording=structs.replace(banned(2).recording, ban=other)))
    with database.read() as connection:
        assert len(recording_bank.list_recordings(connection, words)) == found
        assert len(recording_bank.list_recordings(connection, words, limit=1)) == min(found, 1)
        assert recording_bank.bank_size(connection) == 2


def test_a_store_that_does_not_exist_has_no_recordings_and_is_not_made(tmp_path: Path) -> None:
    reader = Bank(f"sqlite:///{tmp_path / 'none.db'}")
    assert (reader.state(), [*reader.fingerprints()]) == ((), [])
    assert [*tmp_path.iterdir()] == []


def test_a_store_from_before_the_bank_has_no_recordings(url: str) -> None:
    with closing(Database(url)) as database, database.write() as connection:
        connection.execute(text("DROP TABLE banned_recordings"))
    reader = Bank(url)
    assert (reader.state(), [*reader.fingerprints()]) == ((), [])


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(DependencyError, match=r"review store .* does not answer.*Check that the database runs"):
        Bank(f"postgresql://nobody@127.0.0.1:{free_port()}/none").state()


def test_an_account_that_may_read_this_table_alone_is_enough(postgres_url: str) -> None:
    ban(postgres_url, banned(1))
    with closing(Database(postgres_url)) as database, database.write() as connection:
        connection.execute(text("CREATE ROLE ears LOGIN"))
        connection.execute(text("GRANT SELECT ON banned_recordings TO ears"))
    try:
        reader = Bank(postgres_url.replace("tester@", "ears@"))
        assert [each.id for each in reader.fingerprints()] == [name for name, _ in reader.state()] == [banned(1).id]
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            visit(postgres_url.replace("tester@", "ears@")) as other,
        ):
            other.execute(text("SELECT text FROM cases"))
    finally:
        with closing(Database(postgres_url)) as database, database.write() as connection:
            connection.execute(text("DROP OWNED BY ears"))
            connection.execute(text("DROP ROLE ears"))
