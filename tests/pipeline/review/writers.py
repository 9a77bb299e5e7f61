"""Several workers that deliver the same flags, and another process that writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import Queue
from multiprocessing.synchronize import Barrier

from pipeline.contract.messages import Flag
from pipeline.review.cases.case_values import Outcome
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


def many(writer: int = 0) -> list[Flag]:
    """Return a hundred flags of four speakers. Each flag touches the speaker's next one.

    Each writer starts at another place in the list.
    """
    flags = [flag(str(n), n // 4 * 2, n // 4 * 2 + 3, speaker="abcd"[n % 4]) for n in range(100)]
    return flags[writer * 25 :] + flags[: writer * 25]


def deliver(store: SqlReviewStore, writer: int) -> list[Outcome]:
    flags = many(writer)
    return [outcome for n in range(0, 100, 10) for outcome in store.add(flags[n : n + 10], NOON)]


def work(url: str, writer: int, start: Barrier, results: "Queue[list[Outcome]]") -> None:
    """Run in one process: open the store at the same moment as the other processes, and deliver the flags."""
    start.wait()
    with closing(SqlReviewStore(Database(url))) as store:
        results.put(deliver(store, writer))


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Let another writer hold the SQLite file for the time of the block."""
    with closing(sqlite3.connect(database.url.database or "", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
