"""Signed anchors: with them, every change of the log is found, also by the owner of the database."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from pipeline.base import signing
from pipeline.base.errors import ConfigError, DependencyError, InputError
from pipeline.review import audit_log, audit_watch
from pipeline.review.audit_watch import Anchoring, SignedHead
from pipeline.review.database import Database
from pipeline.review.tables.core import AUDIT, AUDIT_HEAD
from pipeline.settings import AuditSettings, Settings
from tests.builders import NOON
from tests.pipeline.review.delivery.receiver import Reply, receiving
from tests.pipeline.review.test_audit_log import unguarded

DAY = 86_400.0
LINES = 12


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "audit.key"
    signing.make_key(path)
    return path


def write(database: Database, count: int, at: float = NOON) -> None:
    with database.write() as connection:
        for n in range(count):
            audit_log.append(connection, at + n, "ana", "case.view", f"case-{n}")


def signed(database: Database, key: Path, at: float) -> SignedHead:
    with database.read() as connection:
        return audit_watch.sign(audit_watch.head_of(connection, at), signing.load_key(key))


def found(database: Database, made: list[SignedHead], key: Path, at: float = NOON + 100) -> list[str]:
    with database.read() as connection:
        report = audit_log.verify_chain(connection)
        return [report.reason] * (report.broken is not None) + list(
            audit_watch.faults(connection, made, signing.read_public(signing.public_file(key)), at)
        )


class Log:
    """An anchored log whose owner can change everything, and its rows before the change."""

    def __init__(self, database: Database, key: Path) -> None:
        self.database = database
        self.key = key
        write(database, LINES // 2)
        self.anchors = [signed(database, key, NOON)]
        write(database, LINES - LINES // 2)
        self.anchors.append(signed(database, key, NOON))
        unguarded(database)
        self.rows = self.read()

    def read(self) -> list[dict[str, Any]]:
        with self.database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(select(AUDIT).order_by(AUDIT.c.seq))]

    def store(self, rows: list[dict[str, Any]], forge_head: bool) -> None:
        with self.database.write() as connection:
            connection.execute(delete(AUDIT))
            for row in rows:
                connection.execute(insert(AUDIT).values(row))
            last = ([{"seq": 0, "hash": audit_log.GENESIS}, *rows] if forge_head else self.rows)[-1]
            connection.execute(update(AUDIT_HEAD).values(seq=last["seq"], hash=last["hash"]))

    def faults(self) -> list[str]:
        return found(self.database, self.anchors, self.key)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[Log]:
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('anchors') / 'store.db'}")) as opened:
        yield Log(opened, key)


def rehashed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the lines new numbers and hashes, as the forger of a whole log does."""
    before, made = audit_log.GENESIS, []
    for seq, row in enumerate(rows, start=1):
        fields = [seq, row["at"], row["actor"], row["action"], row["subject"], row["detail"]]
        made.append(row | {"seq": seq, "before": before, "hash": audit_log._hash(before, *fields)})
        before = made[-1]["hash"]
    return made


numbers = st.integers(0, LINES - 1)
changes = st.one_of(
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("change"), numbers, st.sampled_from(["at", "actor", "action", "subject", "detail", "hash"])),
    st.tuples(st.just("swap"), numbers, numbers),
    st.tuples(st.just("cut the front"), numbers),
    st.tuples(st.just("cut the end"), numbers),
    st.tuples(st.just("put in"), numbers),
)


def changed(rows: list[dict[str, Any]], change: tuple[Any, ...]) -> list[dict[str, Any]]:
    made = [dict(row) for row in rows]
    match change:
        case "delete", place:
            del made[place]
        case "change", place, column:
            made[place][column] = made[place][column] + 1 if column == "at" else made[place][column] + "x"
        case "swap", one, other:
            made[one], made[other] = made[other] | {"seq": one + 1}, made[one] | {"seq": other + 1}
        case "cut the front", place:
            made = made[place:]
        case "cut the end", place:
            made = made[:place]
        case "put in", place:
            made.insert(place, dict(made[place], actor="eve"))
            made = [row | {"seq": seq} for seq, row in enumerate(made, start=1)]
    return made


@examples(max_examples=150)
@given(changes, st.booleans(), st.booleans())
def test_every_change_is_found(log: Log, change: tuple[Any, ...], forge_chain: bool, forge_head: bool) -> None:
    rows = changed(log.rows, change)
    log.store(rehashed(rows) if forge_chain else rows, forge_head)
    assert bool(log.faults()) == (log.read() != log.rows)


def test_an_unchanged_log_matches_its_anchors(log: Log) -> None:
    log.store(log.rows, forge_head=True)
    assert log.faults() == []


def test_an_anchor_of_another_key_or_with_another_head_is_a_fault(log: Log, tmp_path: Path) -> None:
    log.store(log.rows, forge_head=True)
    other = tmp_path / "other.key"
    signing.make_key(other)
    forged = msgspec.structs.replace(log.anchors[0], head=msgspec.structs.replace(log.anchors[0].head, seq=1))
    broken = msgspec.structs.replace(log.anchors[0], signature="no Base64")
    for wrong in (signed(log.database, other, NOON), forged, broken):
        assert found(log.database, [wrong], log.key) == ["anchor 1: its signature is not by the given key"]


def test_lines_that_retention_deleted_in_time_are_no_fault(database: Database, key: Path) -> None:
    old = 1_500_000_000.0
    made = [signed(database, key, old)]
    write(database, 3, old)
    made.append(signed(database, key, old + 3))
    unguarded(database)
    with database.write() as connection:
        audit_log.cut(connection, 8, old + 200 * DAY, "retention")
    assert found(database, made, key, old + 200 * DAY) == []
    assert "deleted before its time" in found(database, made, key, old + 182 * DAY)[-1]


def test_anchors_go_to_the_places_of_the_settings(sqlite_url: str, key: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "anchors.jsonl"
    with closing(Database(sqlite_url)) as database, receiving() as app:
        to = AuditSettings(key=key, anchor_file=file, anchor_url=app.url)
        anchoring = Anchoring(database, Settings(audit=to), lambda: NOON)
        for _ in range(2):
            write(database, 1)
            anchoring.anchor()
        made = audit_watch.read_anchors(file)
        assert [anchor.head.seq for anchor in made] == [1, 2]
        assert found(database, made, key) == []
        assert [got.event["head"]["seq"] for got in app.got] == [1, 2]
        assert anchoring.newest == made[-1]
        assert file.stat().st_mode & 0o777 == 0o600
        app.answer = lambda got: Reply(endless=True)
        anchoring.anchor()
        app.answer = lambda got: Reply(500)
        with pytest.raises(DependencyError, match="anchor_url"):
            anchoring.anchor()


def test_anchors_need_a_key(sqlite_url: str, tmp_path: Path) -> None:
    with closing(Database(sqlite_url)) as database:
        Anchoring(database, Settings(data_dir=tmp_path), lambda: NOON).anchor()  # none are wanted
        wanted = Settings(data_dir=tmp_path, audit=AuditSettings(anchor_file=tmp_path / "anchors"))
        with pytest.raises(ConfigError, match="voxwarden audit key"):
            Anchoring(database, wanted, lambda: NOON)


@pytest.mark.parametrize("content", ["", "\n", "no json", json.dumps({"head": 1}), '{"x":' + "[" * 9_000])
def test_a_file_without_anchors_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "anchors.jsonl"
    file.write_text(content)
    with pytest.raises(InputError, match=r"anchors\.jsonl"):
        audit_watch.read_anchors(file)


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="/dev/zero, line 1 is not an anchor"):
        audit_watch.read_anchors(Path("/dev/zero"))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    file.write_bytes(content)
    with pytest.raises(InputError):
        audit_watch.read_anchors(file)


def test_the_clock_of_the_log_is_not_used(database: Database) -> None:
    with database.read() as connection:
        assert audit_watch.head_of(connection, 5).at == 5.0
        assert connection.scalar(text("SELECT count(*) FROM audit_head")) == 1
