"""A real database for each test, and fast hashes of passwords."""

import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, make_url, text

from pipeline.review.accounts import passwords
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.pipeline.review import people, postgres, statements

numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _statements() -> Iterator[None]:
    with statements.shared():
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server for all tests, in memory if possible: on a disk, a new database takes longer than most tests."""
    with postgres.server(postgres.memory()) as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables and no rows. To copy it is fast; a migration takes longer than most tests."""
    file = tmp_path_factory.mktemp("model") / "store.db"
    Database(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_model(postgres_server: str) -> Iterator[str]:
    """The name of a PostgreSQL template database with all tables and no rows."""
    with created(postgres_server, "model") as url:
        Database(url).close()
        yield "model"


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_model: Path) -> str:
    """The URL of a SQLite database with all tables and no rows."""
    return f"sqlite:///{shutil.copy(sqlite_model, tmp_path / 'store.db')}"


@pytest.fixture
def own_store(tmp_path: Path, sqlite_model: Path) -> str:
    """The URL of the store with all tables and no rows that Voxwarden opens if `data_dir` is `tmp_path`."""
    return f"sqlite:///{shutil.copy(sqlite_model, tmp_path / 'voxwarden.db')}"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_model: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with all tables and no rows."""
    with created(postgres_server, f"test{next(numbers)} TEMPLATE {postgres_model}") as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    with created(postgres_server, f"test{next(numbers)}") as url:
        yield url


@contextmanager
def created(server: str, statement: str) -> Iterator[str]:
    """Yield the URL of a new database and drop it at the end, because hundreds of them fill a small disk.

    Options of `CREATE DATABASE` may follow its name in the `statement`.
    """
    name = statement.split(maxsplit=1)[0]
    execute(server, f"CREATE DATABASE {statement}")
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(server: str, statement: str) -> None:
    """Execute a statement that may not stand in a transaction."""
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each kind (SQLite, PostgreSQL) with all tables and no rows."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind that was never opened and has no tables."""
    found: str = request.getfixturevalue(f"empty_{request.param}_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[SqlReviewStore]:
    opened = SqlReviewStore(Database(url))
    yield opened
    opened.close()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with the accounts of all test people."""
    opened = Database(url)
    people.hire(opened)
    yield opened
    opened.close()


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make hashing fast. It is slow on purpose, but its speed does not change who may sign in."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", hasher)
    monkeypatch.setattr(passwords, "_DUMMY", hasher.hash("a dummy"))
