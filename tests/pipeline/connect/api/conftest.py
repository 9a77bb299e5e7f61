"""A running API with the real judge and Whisper tiny.en, on a store of its own."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from pydantic import SecretStr

from pipeline.connect.api import moderations_endpoint
from pipeline.connect.api.api_access import ApiTokens
from pipeline.connect.api.api_server import create_api_app, open_backend
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.runner.moderator import Moderator
from pipeline.settings import Api, ApiToken, Asr, Settings
from tests.pipeline.console.servers import served

MODERATE, OTHER, CASES = "a-token-to-moderate", "another-token-to-moderate", "a-token-to-read-cases"
DECIDE = "a-token-to-decide-cases"


class RunningApi:
    """The address of an API, and the store that it reads."""

    def __init__(self, url: str, store: SqlReviewStore) -> None:
        self.url = url
        self.store = store

    def client(self, token: str | None = MODERATE) -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=120)


@pytest.fixture(scope="session")
def moderator() -> Moderator:
    """Make one moderator for all tests, because its models take seconds to load."""
    made = Moderator.of(Settings(asr=Asr(model="tiny.en", languages=("en",))))
    made.load_models()
    return made


def running_api(
    url: str, folder: Path, moderator: Moderator, seconds: float = 120.0, **changes: Any
) -> Iterator[RunningApi]:
    """Serve the API. A request waits for its recording for `seconds`."""
    tokens = (
        ApiToken(token=SecretStr(MODERATE), scopes=frozenset({"moderate"})),
        ApiToken(token=SecretStr(OTHER), scopes=frozenset({"moderate"})),
        ApiToken(token=SecretStr(CASES), scopes=frozenset({"cases"})),
        ApiToken(token=SecretStr(DECIDE), scopes=frozenset({"cases", "decide"})),
    )
    limits = {"max_requests_per_second": 1_000.0}
    settings = Settings(data_dir=folder, api=Api(tokens=tokens, **limits | changes))
    with patch.object(moderations_endpoint, "WAIT_SECONDS", seconds), closing(Database(url)) as database:
        app = create_api_app(open_backend(settings, database, moderator), ApiTokens(settings.api))
        with served(app) as address:
            yield RunningApi(address, SqlReviewStore(database))


@pytest.fixture
def api(own_store: str, tmp_path: Path, moderator: Moderator) -> Iterator[RunningApi]:
    yield from running_api(own_store, tmp_path, moderator)
