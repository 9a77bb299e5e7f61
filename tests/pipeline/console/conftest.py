"""Fixtures: a running console, and a signed-in HTTP client for each person."""

import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import httpx
import pytest

from pipeline.console import background_figures, rendering, services
from pipeline.console.console_app import create_app
from pipeline.console.console_texts import Texts
from pipeline.console.guard import COOKIE, HEADER
from pipeline.console.services import open_services
from pipeline.judge import labels
from pipeline.review.accounts import sign_in
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Settings
from tests.builders import NOON
from tests.pipeline.console.servers import served
from tests.pipeline.review import people

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""An empty TLS context for clients of plain HTTP. Loading the usual certificates takes longer than most tests."""
CSRF = re.compile(r'"X-CSRF-Token":"([^"]+)"')


templates = cache(rendering.environment)
shipped_labels = cache(labels.load_labels)
shipped_texts = cache(Texts)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages wait for figures for a minute, so that a busy machine does not fail a test."""
    monkeypatch.setattr(background_figures, "WAIT_SECONDS", 60.0)


class Clock:
    """A clock that stands at `now` until a test changes it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Console:
    """A running server with its store and its clock."""

    def __init__(self, url: str, database: Database, clock: Clock, folder: Path) -> None:
        self.url = url
        self.database = database
        self.clock = clock
        self.evidence = folder / "evidence"
        self.store = SqlReviewStore(database)

    def cookie(self, name: str) -> str:
        with self.database.write() as connection:
            return sign_in.begin_session(connection, name, self.clock())

    def csrf(self, token: str) -> str:
        with self.database.read() as connection:
            session = sign_in.find_session(connection, token, self.clock())
        assert session is not None
        return session.csrf


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with the accounts of PEOPLE. Tests copy it, because making one takes longer than most tests."""
    file = tmp_path_factory.mktemp("staffed") / "store.db"
    with closing(Database(f"sqlite:///{file}")) as database:
        people.hire(database)
    return file


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share the compiled templates, labels and texts. To make them for each console takes longer than most tests."""
    monkeypatch.setattr(rendering, "environment", templates)
    monkeypatch.setattr(labels, "load_labels", shipped_labels)
    monkeypatch.setattr(services, "Texts", shipped_texts)


@pytest.fixture
def console(tmp_path: Path, staffed: Path) -> Iterator[Console]:
    """A console on SQLite. Tests of the review store cover the differences between the databases."""
    settings = Settings(data_dir=tmp_path)
    shutil.copy(staffed, tmp_path / "voxwarden.db")
    with closing(Database(settings.database_url)) as database:
        clock = Clock()
        with served(create_app(open_services(settings, database, clock))) as url:
            yield Console(url, database, clock, tmp_path)


Enter = Callable[[str], httpx.Client]


@pytest.fixture
def enter(console: Console) -> Iterator[Enter]:
    """`enter("ana")` returns a client signed in as ana, which sends the CSRF token. `enter("")` is not signed in."""
    with ExitStack() as stack:

        def client(name: str) -> httpx.Client:
            headers = {}
            cookies = {}
            if name:
                token = console.cookie(name)
                headers, cookies = {HEADER: console.csrf(token)}, {COOKIE: token}
            to = httpx.Client(
                base_url=console.url, headers=headers, cookies=cookies, timeout=60, verify=NO_CERTIFICATES
            )
            return stack.enter_context(to)

        yield client
