"""One random week of cases for all tests that only read it."""

import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.review.database import Database
from tests.databases import created
from tests.pipeline.assessment import world
from tests.pipeline.assessment.world import Fact
from tests.pipeline.review import people


@pytest.fixture(scope="session")
def facts() -> list[Fact]:
    return world.week(random.Random(27), 250)  # noqa: S311 - no secret


@pytest.fixture(scope="session")
def sqlite_week(tmp_path_factory: pytest.TempPathFactory, sqlite_model: Path, facts: list[Fact]) -> str:
    return _filled(f"sqlite:///{shutil.copy(sqlite_model, tmp_path_factory.mktemp('week') / 'store.db')}", facts)


@pytest.fixture(scope="session")
def postgres_week(postgres_server: str, postgres_model: str, facts: list[Fact]) -> Iterator[str]:
    with created(postgres_server, f"week TEMPLATE {postgres_model}") as url:
        yield _filled(url, facts)


def _filled(url: str, facts: list[Fact]) -> str:
    with closing(Database(url)) as database:
        people.hire(database)
        world.store(database, facts)
    return url


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of each kind with the facts. Only read it."""
    # pytest may open it several times: once for each change from one kind to the other.
    with closing(Database(request.getfixturevalue(f"{request.param}_week"))) as database:
        yield database
