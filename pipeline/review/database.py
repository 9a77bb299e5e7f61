"""The database of the review store: SQLite or PostgreSQL. Opening it runs the missing migrations.

At the end are INSERTs with a rule for conflicts, which each of the two has in its own dialect.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    Table,
    Text,
    cast,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolEmpty

from pipeline.base import logs, private_files
from pipeline.base.errors import ConfigError, DependencyError, InputError
from pipeline.base.libraries import install_extra
from pipeline.base.url_secrets import without_secrets

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x766F7877
"""Key ("voxw") of the PostgreSQL advisory lock that migrations take."""

UNRELEASED = frozenset(f"{number:04}" for number in (*range(1, 5), *range(7, 28)))
"""Migrations of builds that were not released, which are gone. No later migration may have their numbers."""

UNRELEASED_REMEDY = "Restore the back-up of the store of 0.1.0, or set data_dir or store.url to a new store."

DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
"""How the names of SQLite's errors for a damaged file begin."""
RESTORE = "Restore it from a backup: docs/operate.md."

BUSY_MILLISECONDS = 15_000
"""How long a writer waits for another writer. PostgreSQL would wait without an end."""

FREE_MILLISECONDS = 2_000
"""How long `check_writable` waits for another writer of SQLite."""

SCRUB_MILLISECONDS = 1_000
"""How long `scrub` waits for readers."""

PATIENCE = {
    "connect_timeout": "10",
    "tcp_user_timeout": "20000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "2",
}
"""Settings of PostgreSQL's client (libpq), in seconds; `tcp_user_timeout` is in milliseconds.

With them the client gives up a lost host after 20 s, not after hours, and the batch is tried again. A setting in
`store.url` overrides the one here.
"""

SORT_KIBIBYTES = 65_536
"""Memory of a long read: for each sort, and on SQLite also for the pages of the file."""
TEMPORARY_KIBIBYTES = 262_144
"""Memory of a long read for SQLite's temporary tables: each of a million cases is searched for in them, at random."""
SQLITE_KIBIBYTES = 2_000
"""The same of other reads: SQLite's default."""

PAGE = 10_000
"""Rows that `plain_rows` yields at a time."""

CHECK_SECONDS = 5
"""Seconds within which the server must answer `check_answers`."""

POSTGRES = "postgresql+psycopg"
DRIVERS = {"sqlite": "sqlite", "postgresql": POSTGRES, "postgres": POSTGRES}


class Database:
    """A pool of connections. An error of the server becomes a DependencyError, and the caller may retry.

    The constructor raises ConfigError for a URL that is not supported, a file that cannot be made (with `must_exist`:
    that does not exist) and a store that a newer Voxwarden, or a build between two releases wrote.
    """

    def __init__(self, url: str, must_exist: bool = False) -> None:
        self.url = _url(url)
        self.name = name_of(url)
        if self.url.get_backend_name() == "sqlite":
            _prepare_file(Path(self.url.database or ""), must_exist)
        self._engine = _engine(self.url)
        # The same pool: only the BEGIN differs (`_begin_sqlite`).
        self._writer = self._engine.execution_options(immediate=True)
        # SQLite's own wait sleeps and tries again, so that some writers wait long. The lock makes them take turns.
        self._turn = Lock() if self.url.get_backend_name() == "sqlite" else nullcontext()
        try:
            self._upgrade()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reads."""
        with answering(self.name), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def read_in_background(self) -> Iterator[Connection]:
        """Open a connection for long reads, which all see the store at one moment.

        Each sort has SORT_KIBIBYTES of memory. With the default of a few megabytes, a million rows are sorted on disk.
        PostgreSQL uses one process for each, so that others keep their cores.
        """
        with self.read() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))  # as on SQLite
                connection.execute(text("SET LOCAL max_parallel_workers_per_gather = 0"))
                connection.exec_driver_sql(f"SET LOCAL work_mem = '{SORT_KIBIBYTES}kB'")
                yield connection
                return
            _cache_sqlite(connection, SORT_KIBIBYTES, TEMPORARY_KIBIBYTES)
            try:
                yield connection
            finally:
                _cache_sqlite(connection, SQLITE_KIBIBYTES, SQLITE_KIBIBYTES)  # the pool keeps the connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end. On SQLite it is the only writer from its start."""
        with self._turn, answering(self.name), self._writer.begin() as connection:
            yield connection

    def check_writable(self) -> None:
        """Raise DependencyError if no write can begin within about FREE_MILLISECONDS. Nothing is written."""
        # Past `_turn`: a writer that waits for another process has it.
        with answering(self.name), self._writer.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT 1"))
                return
            _wait_sqlite(connection, FREE_MILLISECONDS)
            try:
                connection.execute(text("SELECT 1"))  # after a BEGIN IMMEDIATE
            finally:
                _wait_sqlite(connection, BUSY_MILLISECONDS)  # the pool keeps the connection

    def scrub(self) -> None:
        """Empty SQLite's log of changes, in which deleted words still stand. If a reader needs it, do so next time."""
        if self.url.get_backend_name() == "sqlite":
            with self._turn, answering(self.name), closing(self._engine.raw_connection()) as connection:
                cursor = connection.cursor()
                # A checkpoint that waits for readers holds up all writers, so it gives up early.
                cursor.execute(f"PRAGMA busy_timeout={SCRUB_MILLISECONDS}")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")  # the pool keeps the connection

    def close(self) -> None:
        self._engine.dispose()

    def _upgrade(self) -> None:
        with self.read() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        # Mostly so. Then the start waits for no lock.
        if current == _newest() or only_added_to(current):
            return
        if current in UNRELEASED:
            raise ConfigError(
                f"The review store {self.name} was written by a build that was not released (migration {current})",
                UNRELEASED_REMEDY,
            )
        config = Config()
        # Alembic reads its options with ConfigParser, which expands a percent sign.
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = 0"))  # a migration of another process may take long
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            # Alembic reads the revision again under the lock, so the second of two processes changes nothing.
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise ConfigError(
                    f"The review store {self.name} was written by a newer Voxwarden ({error})",
                    "Update Voxwarden, or set another store.url.",
                ) from error


@cache
def _newest() -> str | None:
    """Return the newest migration of this version. To find it, Alembic runs all files of MIGRATIONS."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def begins(column: Column[str], digits: str) -> ColumnElement[bool]:
    """Return the condition that an id begins with these hexadecimal digits. An index of the column serves it."""
    return column.between(digits, f"{digits}g")


def only_added_to(revision: str | None) -> bool:
    """Whether a newer version with our minor version wrote a store of this migration. Then we can use the store.

    Within a minor version, migrations only add to the store. Their ids begin with that of the release: `0006_0028`.
    """
    if revision is None or revision in _known():
        return False
    return revision.partition("_")[0] == (_newest() or "").partition("_")[0]


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def revisions(url: str) -> tuple[str | None, str | None, bool]:
    """Return the migration of the store, the newest one of this version, and whether this version knows the first.

    The store is not changed. A store that does not exist has none.
    """
    scripts = ScriptDirectory(str(MIGRATIONS))
    if not exists(url):
        return None, scripts.get_current_head(), False
    with visit(url) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, scripts.get_current_head(), current in {script.revision for script in scripts.walk_revisions()}


def clock_of(url: str) -> float:
    """Return the time of the database's server in UTC seconds. A SQLite file has the clock of this machine."""
    if _url(url).get_backend_name() == "sqlite":
        return time.time()
    with visit(url) as connection:
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)


def check_answers(url: str) -> None:
    """Raise DependencyError if the server does not answer within CHECK_SECONDS. A SQLite file needs no check."""
    if _url(url).get_backend_name() == "sqlite":
        return
    with visit(url) as connection:
        connection.execute(text("SELECT 1"))


def check_intact(url: str) -> None:
    """Raise DependencyError if the file of a SQLite store is damaged. Reads the whole file."""
    if _url(url).get_backend_name() != "sqlite" or not exists(url):
        return
    with visit(url) as connection:
        found = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    if found != "ok":
        raise DependencyError(f"The review store {name_of(url)} is damaged: {found}", RESTORE)


@contextmanager
def visit(url: str) -> Iterator[Connection]:
    """Open one connection to a store, and do not migrate it. The server must answer within CHECK_SECONDS."""
    database = _url(url)
    limits = {} if database.get_backend_name() == "sqlite" else {"connect_timeout": str(CHECK_SECONDS)}
    engine = _engine(database.update_query_dict(limits))
    try:
        with answering(name_of(url)), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def exists(written: str) -> bool:
    """Tell whether the file of a SQLite store exists. A server is taken to be there."""
    url = _url(written)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


@contextmanager
def answering(name: str) -> Iterator[None]:
    """Turn errors of the server into a DependencyError that names the store.

    Raises InputError for a text that is no Unicode, for example an argument of the command line in other bytes.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError(f"{error.object!a} is no text", "Write it in UTF-8.") from error
    except (DataError, IntegrityError, ProgrammingError):
        raise  # a bug of ours, or a message with a value that the database cannot store
    except PoolEmpty as error:
        raise DependencyError(
            f"The review store {name} answers too slowly: all connections are in use", "Look for locks.", text="store"
        ) from error
    except DBAPIError as error:
        reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        damaged = getattr(error.orig, "sqlite_errorname", "").startswith(DAMAGED)
        raise DependencyError(
            f"The review store {name} does not answer: {reason}",
            RESTORE if damaged else "Check that the database runs and that store.url is right.",
            text="store",
        ) from error


def name_of(url: str) -> str:
    """Return the URL of a store without its secrets. Raises ConfigError for a URL that is not supported."""
    return without_secrets(_url(url).render_as_string(hide_password=True))


def _url(written: str) -> URL:
    try:
        url = make_url(written)
    except (ArgumentError, ValueError) as error:  # a bad port gives a ValueError
        raise ConfigError(
            "store.url is not a valid SQLAlchemy URL", "Write sqlite:///FILE or postgresql://HOST/NAME."
        ) from error
    backend = url.get_backend_name()
    if backend not in DRIVERS:
        raise ConfigError(f"store.url names the database {backend}", "Use SQLite or PostgreSQL.")
    return url.set(drivername=DRIVERS[backend])


def _prepare_file(path: Path, must_exist: bool) -> None:
    """Create the file, and let only its owner read it and the files that SQLite has put beside it.

    SQLite gives later files beside it the same mode.
    """
    if must_exist and not path.is_file():
        raise ConfigError(
            f"There is no review store at {path}",
            "Set data_dir or store.url to the place where `voxwarden run` keeps the store.",
            text="no_store",
            path=path,
        )
    try:
        private_files.make_folder(path.parent)
        private_files.make_file(path)
    except OSError as error:
        raise ConfigError(f"The review store {path} cannot be made: {error.strerror}", "Set data_dir.") from error
    for suffix in ("-wal", "-shm"):
        private_files.repair(path.with_name(path.name + suffix))


def _engine(url: URL) -> Engine:
    logs.without_debug("sqlalchemy.engine")
    more = {key: value for key, value in PATIENCE.items() if url.drivername == POSTGRES and key not in url.query}
    try:
        # pool_pre_ping: a server may have closed a connection of the pool. A file does not.
        # hide_parameters: an error's text must not carry a transcript into a log.
        engine = create_engine(
            url, hide_parameters=True, pool_pre_ping=url.drivername == POSTGRES, connect_args=more, **JSON
        )
    except ModuleNotFoundError as error:
        raise ConfigError(f"{error.name} is not installed", f"Install it: {install_extra('postgres')}") from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgres)
    return engine


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


JSON: Mapping[str, Callable[[Any], Any]] = {"json_serializer": _json, "json_deserializer": msgspec.json.decode}
"""How columns of JSON are written and read. Python's own reader takes four times as long."""


def _prepare_sqlite(connection: Any, record: object) -> None:
    del record
    # Switch off Python's own transaction control: it begins a transaction too late for a write that reads first.
    connection.isolation_level = None
    # secure_delete: what is deleted is overwritten, so that nobody reads erased words in the file.
    for pragma in (f"busy_timeout={BUSY_MILLISECONDS}", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    _write_ahead(connection)


def _prepare_postgres(connection: Any, record: object) -> None:
    """Limit the wait for locks. Switch off JIT: it takes 350 ms to compile a query of the queue that runs for 25 ms."""
    del record
    with connection.cursor() as cursor:
        cursor.execute("SET jit = off")
        cursor.execute(f"SET lock_timeout = {BUSY_MILLISECONDS}")
    # psycopg began a transaction. The pool would roll it back, and the settings with it.
    connection.commit()


def _wait_sqlite(connection: Connection, milliseconds: int) -> None:
    """Set how long the connection waits for other writers. This begins no transaction."""
    with closing(connection.connection.cursor()) as cursor:
        cursor.execute(f"PRAGMA busy_timeout={milliseconds}")


def _cache_sqlite(connection: Connection, main: int, temporary: int) -> None:
    for schema, kibibytes in (("main", main), ("temp", temporary)):
        connection.exec_driver_sql(f"PRAGMA {schema}.cache_size = -{kibibytes}")  # without the minus: in pages
    connection.exec_driver_sql("PRAGMA shrink_memory")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL mode, with retries.

    When several processes open an empty file at once, one changes the mode. SQLite makes the others fail at once.
    """
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            # The low byte is the primary code. SQLite may give an extended one.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    # IMMEDIATE waits for other writers now. Otherwise SQLite refuses a write after a read if another wrote meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def upsert(connection: Connection, table: Table) -> Any:
    """Return an INSERT that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an INSERT that skips rows whose key is already there."""
    return upsert(connection, table).on_conflict_do_nothing()


def put_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Store one row. Return False, and change nothing, if its key is already there."""
    statement = insert_new(connection, table).values(values).returning(*table.primary_key)
    return connection.execute(statement).first() is not None


def plain_rows(connection: Connection, query: Select[Any], **options: Any) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a query in pages of PAGE rows, with the values of the driver. `options` are for the execution.

    For millions of rows: SQLAlchemy's rows and conversions take longer than most work on them. On SQLite, a boolean is
    0 or 1. Cast JSON to text: the drivers read it in different ways.
    """
    result = connection.execute(query, execution_options={"yield_per": PAGE, **options})
    while page := result.cursor_strategy.fetchmany(result, result.cursor, PAGE):
        yield page


def json_array(connection: Connection, *columns: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the columns of a row as one array of JSON. A float may lose digits."""
    return (func.json_build_array if connection.dialect.name == "postgresql" else func.json_array)(*columns)


def json_key(connection: Connection, *columns: ColumnElement[Any]) -> ColumnElement[str]:
    """Return the columns of a row as the text of an array of JSON, for GROUP BY. No column may be a float.

    For millions of rows: SQLite sorts them by one text twice as fast as by several columns.
    """
    return cast(json_array(connection, *columns), Text).label("key")


def json_list(connection: Connection, value: ColumnElement[Any]) -> ColumnElement[str]:
    """Return the values of all rows of a group as the text of an array of JSON; on PostgreSQL, NULL without rows.

    For millions of rows: the database packs them several times as fast as Python reads them one by one.
    """
    packed = func.json_agg if connection.dialect.name == "postgresql" else func.json_group_array
    return cast(packed(value), Text)


def fields_of(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    """Return the columns of a row by name."""
    return dict(zip(_plain(row._fields), row, strict=True))


@cache
def _plain(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names as msgspec accepts them as keys: SQLAlchemy's are a subclass of str."""
    return tuple(map(str, names))
