"""The review store of a run, SQLite or PostgreSQL, and how to make it unavailable."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr
from sqlalchemy import text

from pipeline.review.database import Database
from pipeline.settings import Store as StoreSettings
from tests.pipeline.review import postgres


class ChaosStore(Protocol):
    """`settings` name the store. `refuse` locks everybody else out for the given seconds."""

    settings: StoreSettings

    def refuse(self, seconds: float) -> None: ...


class Sqlite(ChaosStore):
    """A process that holds the lock, like a stuck backup."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = StoreSettings()
        self._path = data_dir / "voxwarden.db"

    def refuse(self, seconds: float) -> None:
        connection = sqlite3.connect(self._path, timeout=60)
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        connection.close()


class Postgres(ChaosStore):
    """A migration that locks the cases. Then the server drops all connections, as at a restart or a failover."""

    def __init__(self, url: str) -> None:
        self.settings = StoreSettings(url=SecretStr(url))
        self._url = url

    def refuse(self, seconds: float) -> None:
        database = Database(self._url)
        with database.write() as connection:
            connection.execute(text("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE"))
            time.sleep(seconds)
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )
        database.close()


@contextmanager
def opened(kind: str, data_dir: Path) -> Iterator[ChaosStore]:
    if kind == "sqlite":
        yield Sqlite(data_dir)
    else:
        with postgres.server() as url:
            yield Postgres(url)
