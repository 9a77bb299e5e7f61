"""Opening a database, and the errors if that fails."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, inspect, make_url, select, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.review import database as database_module
from pipeline.review.database import (
    MIGRATIONS,
    PAGE,
    UNRELEASED,
    Database,
    check_answers,
    check_intact,
    clock_of,
    plain_rows,
    put_new,
    revisions,
)
from pipeline.review.review_store import open_store
from pipeline.review.tables import METADATA
from pipeline.review.tables.assessment_tables import ROOM_TYPES
from pipeline.settings import Settings
from tests.pipeline.review import postgres, release
from tests.pipeline.review.writers import locked
from tests.ports import free_port

pytestmark = pytest.mark.dialect


def not_of_fts5(name: str | None, kind: str, parents: object) -> bool:
    """Leave out the full-text index: FTS5 keeps it in tables of its own, and PostgreSQL as a GIN index."""
    return not (name or "").startswith(("said_index", "ix_said_grams"))


def partial(index: ReflectedIndex) -> bool:
    """Tell whether the index has a condition. The text of the condition differs by database."""
    return bool({"sqlite_where", "postgresql_where"} & index.get("dialect_options", {}).keys())


@pytest.mark.parametrize("fill", [None, release.make_store], ids=["empty", "0.1.0"])
def test_migrations_make_the_tables(empty_url: str, fill: Callable[[str], None] | None) -> None:
    if fill:
        fill(empty_url)
    with closing(Database(empty_url)) as database, database.read() as connection:
        opts = {"compare_type": True, "compare_server_default": True, "include_name": not_of_fts5}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, METADATA) == []
        # What Alembic does not compare.
        store = inspect(connection)
        for table in METADATA.sorted_tables:
            key = store.get_pk_constraint(table.name)["constrained_columns"]
            assert key == [column.name for column in table.primary_key], table.name
            found = {index["name"] for index in store.get_indexes(table.name) if partial(index)}
            assert found == {index.name for index in table.indexes if index.dialect_kwargs}, table.name


@pytest.mark.parametrize("url", ["postgresql://u:s3cret@{}/d", "postgresql://u@{}/d?sslmode=disable&password=s3cret"])
def test_no_error_shows_the_password(url: str) -> None:
    with pytest.raises(DependencyError, match="does not answer") as caught:
        check_answers(url.format(f"127.0.0.1:{free_port()}"))
    assert "s3cret" not in str(caught.value)
    assert "postgresql+psycopg://u" in str(caught.value)


def test_opening_again_keeps_the_data(empty_url: str) -> None:
    for expected in (0, 1):
        with closing(Database(empty_url)) as database, database.write() as connection:
            assert len(connection.execute(text("SELECT 1 FROM alembic_version")).all()) == 1
            assert connection.execute(text("SELECT count(*) FROM decisions")).scalar_one() == 0
            if not expected:
                connection.execute(text("CREATE TABLE marker (x INTEGER)"))
            assert connection.execute(text("SELECT count(*) FROM marker")).scalar_one() == 0


def test_a_store_of_a_newer_version_is_not_changed(url: str) -> None:
    with closing(Database(url)) as database, database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer Voxwarden"):
        Database(url)


@pytest.mark.parametrize("number", ["0001", "0004", "0007", "0027"])
def test_a_store_of_an_unreleased_build_is_refused(sqlite_url: str, number: str) -> None:
    with closing(Database(sqlite_url)) as database, database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
    with pytest.raises(ConfigError, match=rf"store\.db was written by .* \(migration {number}\)\. Restore") as raised:
        Database(sqlite_url)
    assert "\n" not in str(raised.value)


def test_no_migration_has_the_number_of_an_unreleased_one() -> None:
    assert not UNRELEASED & {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}


def test_the_migration_and_the_clock_are_read_without_a_change(empty_url: str, url: str) -> None:
    current, newest, known = revisions(empty_url)
    assert (current, known) == (None, False)
    assert revisions(url) == (newest, newest, True)
    assert revisions(empty_url)[0] is None, "the first look changed nothing"
    assert abs(clock_of(url) - time.time()) < 60


def test_sqlite_readers_work_beside_a_writer(sqlite_url: str) -> None:
    with closing(Database(sqlite_url)) as database, database.write(), database.read() as reader:
        assert reader.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert reader.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        assert reader.execute(text("SELECT count(*) FROM cases")).scalar_one() == 0


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(DependencyError, match=r"store\.db does not answer: file is not a database\. Restore it from"):
        Database(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.mark.parametrize("kept", [16_384, 40_960])
def test_a_damaged_file_is_found(sqlite_url: str, kept: int) -> None:
    check_intact(sqlite_url)
    Database(sqlite_url).close()
    check_intact(sqlite_url)
    os.truncate(make_url(sqlite_url).database or "", kept)
    with pytest.raises(DependencyError, match=r"malformed|damaged") as raised:
        check_intact(sqlite_url)
    assert raised.value.remedy == "Restore it from a backup: docs/operate.md."


def test_a_locked_database_raises_a_dependency_error(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.review.database.BUSY_MILLISECONDS", 50)
    with closing(Database(sqlite_url)) as database:
        with locked(database), pytest.raises(DependencyError, match="database is locked"), database.write():
            raise AssertionError("two writers at once")
        with database.write():
            pass


def test_a_locked_table_of_postgresql_raises_one_too(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.review.database.BUSY_MILLISECONDS", 50)
    lock = text("LOCK TABLE cases")
    with closing(Database(postgres_url)) as database:
        with database.write() as first:
            first.execute(lock)
            with pytest.raises(DependencyError, match="lock timeout"), database.write() as second:
                second.execute(lock)
        with database.write() as third:
            third.execute(lock)


def test_the_error_names_a_missing_server_without_its_password() -> None:
    with pytest.raises(DependencyError) as raised:
        Database("postgresql://ann:secret@127.0.0.1:1/rooms")
    assert "postgresql+psycopg://ann:***@127.0.0.1:1/rooms does not answer" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(("query", "patience"), [("", "20000"), ("tcp_user_timeout=7000", "7000")])
def test_the_client_gives_up_a_lost_server(postgres_url: str, query: str, patience: str) -> None:
    with closing(
        Database(f"{postgres_url}{'&' if '?' in postgres_url else '?'}{query}" if query else postgres_url)
    ) as database:
        assert "keepalives" not in database.name
        with database.read() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            given = driver.info.get_parameters()  # only parameters that differ from libpq's defaults
        assert (given["tcp_user_timeout"], given["keepalives_idle"]) == (patience, "10")


def test_queries_are_not_compiled(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database:
        for opened in (database.read, database.write, database.read):
            with opened() as connection:
                assert connection.execute(text("SHOW jit")).scalar_one() == "off"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a valid SQLAlchemy URL"),
        ("postgresql://db:five/voxwarden", "not a valid SQLAlchemy URL"),
        ("mysql://host/name", "names the database mysql"),
        ("sqlite:////dev/null/a.db", "/dev/null"),
    ],
)
def test_invalid_urls_are_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Database(url)


def test_opening_makes_the_folder_unless_the_store_must_exist(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    with pytest.raises(ConfigError, match="There is no review store at"):
        open_store(settings, must_exist=True)
    assert not (tmp_path / "new").exists()
    open_store(settings).close()
    open_store(settings, must_exist=True).close()
    assert (tmp_path / "new" / "voxwarden.db").is_file()


def test_long_reads_leave_the_other_cores_to_others(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database:
        shown = text("SHOW max_parallel_workers_per_gather")
        with database.read_in_background() as connection:
            assert connection.scalar(shown) == "0"
        with database.read() as connection:
            assert connection.scalar(shown) != "0"


def test_long_reads_sort_in_memory(database: Database) -> None:
    postgres = make_url(database.name).get_backend_name() == "postgresql"
    shown = [text("SHOW work_mem")] if postgres else [text("PRAGMA main.cache_size"), text("PRAGMA temp.cache_size")]
    with database.read_in_background() as connection:
        assert [connection.scalar(each) for each in shown] == (["64MB"] if postgres else [-65_536, -262_144])
    with database.read() as connection:
        assert {connection.scalar(each) for each in shown} == {"4MB" if postgres else -2_000}


@pytest.mark.parametrize("n", [0, 1, PAGE, PAGE + 1])
def test_plain_rows_come_in_pages_with_the_values_of_the_driver(database: Database, n: int) -> None:
    rows = [{"name": f"{number:06}", "first_seen_at": float(number)} for number in range(n)]
    with database.write() as connection:
        for at in range(0, n, 1_000):
            connection.execute(insert(ROOM_TYPES), rows[at : at + 1_000])
        pages = list(plain_rows(connection, select(ROOM_TYPES).order_by(ROOM_TYPES.c.name)))
    assert [row for page in pages for row in page] == [tuple(row.values()) for row in rows]
    assert [len(page) for page in pages] == [min(PAGE, n - at) for at in range(0, n, PAGE)]
    assert {type(row) for page in pages for row in page} <= {tuple}


def test_a_row_whose_key_is_there_changes_nothing(database: Database) -> None:
    with database.write() as connection:
        assert put_new(connection, ROOM_TYPES, {"name": "kids", "first_seen_at": 1.0})
        assert not put_new(connection, ROOM_TYPES, {"name": "kids", "first_seen_at": 2.0})
        assert connection.scalar(select(ROOM_TYPES.c.first_seen_at)) == 1.0


def test_a_stopped_server_takes_no_writes() -> None:
    with postgres.running(postgres.memory()) as server, closing(Database(server.url)) as database:
        database.check_writable()
        server.kill()
        with pytest.raises(DependencyError, match="does not answer"):
            database.check_writable()
        server.start()
        database.check_writable()


def test_a_locked_file_takes_no_writes_and_keeps_its_patience(own_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "FREE_MILLISECONDS", 10)
    with closing(Database(own_store)) as database:
        with locked(database), pytest.raises(DependencyError, match="locked"):
            database.check_writable()
        database.check_writable()
        with database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == database_module.BUSY_MILLISECONDS


def test_a_pool_without_a_free_connection_is_an_outage(own_store: str) -> None:
    with closing(Database(own_store)) as database:
        pool = database._engine.pool
        pool._timeout, pool._max_overflow = 0.0, 0  # type: ignore[attr-defined] # of its class
        with ExitStack() as stack:
            for _ in range(pool.size()):  # type: ignore[attr-defined]
                stack.enter_context(database.read())
            with pytest.raises(DependencyError, match="all connections are in use"):
                stack.enter_context(database.read())
