"""The stream of verdicts over HTTP: what comes in is checked, and what goes out is server-sent events."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.base import http_problems
from pipeline.connect.api import verdicts_endpoint
from pipeline.review.database import Database
from pipeline.review.delivery.feed import VerdictFeed
from pipeline.review.review_store import SqlReviewStore
from tests.builders import flag
from tests.pipeline.console.servers import served

ANY_TEXT = st.text(max_size=300) | st.from_regex(r"\A[0-9]{0,20}\Z")


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SqlReviewStore]:
    with closing(Database(sqlite_url)) as database:
        yield SqlReviewStore(database)


@pytest.fixture
def client(sqlite_url: str, store: SqlReviewStore) -> Iterator[httpx.Client]:
    with closing(Database(sqlite_url)) as database:
        feed = VerdictFeed(database, time.time)

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with feed:
                yield

        app = FastAPI(lifespan=lifespan)
        app.state.feed = feed
        app.include_router(verdicts_endpoint.verdicts_router)
        http_problems.install(app)
        with served(app) as url, httpx.Client(base_url=url, trust_env=False, timeout=60) as made:
            yield made


def test_a_stream_can_be_resumed_after_an_id(client: httpx.Client, store: SqlReviewStore) -> None:
    store.add([flag("a", text="第一\nline")], time.time())
    with client.stream("GET", "/v1/verdicts", headers={"last-event-id": "0"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(2)] == ["retry: 1000", ""]
        place, kind, data = (next(lines) for _ in range(3))
    assert (kind, '"id":"a"' in data) == ("event: flag.raised", True)
    later = str(int(place.removeprefix("id: ")) + 11_000_000)
    with client.stream("GET", "/v1/verdicts", params={"room": "room"}, headers={"last-event-id": later}) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(2)] == ["retry: 1000", ""]
        store.add([flag("b", speaker="bob")], time.time())
        assert next(line for line in lines if '"id":"b"' in line).startswith("data: ")


def test_more_streams_than_allowed_are_refused(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts_endpoint, "MAX_STREAMS", 1)
    with client.stream("GET", "/v1/verdicts") as answer:
        lines = answer.iter_lines()  # closes the stream when it goes
        next(lines)
        assert client.get("/v1/verdicts").status_code == 503


@pytest.mark.parametrize("given_id", ["x", "", "-1", "1.5", "1" * 18, "1e5", "nan", "1767268800000000-a"])
def test_an_id_that_is_none_of_the_stream_is_refused(client: httpx.Client, given_id: str) -> None:
    answer = client.get("/v1/verdicts", headers={"last-event-id": given_id})
    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.text


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(last=ANY_TEXT, room=ANY_TEXT)
@example("²", "room")
@example("9" * 17, "r" * 257)
def test_whatever_comes_in_is_answered_with_a_stream_or_a_refusal(client: httpx.Client, last: str, room: str) -> None:
    sendable = re.sub(rb"[^\x21-\x7e\x80-\xff]", b"", last.encode("utf-8", "surrogatepass"))
    headers = {b"last-event-id": sendable}
    with client.stream("GET", "/v1/verdicts", params={"room": room}, headers=headers) as answer:
        assert answer.status_code in {200, 400}
        if answer.status_code == 200:
            assert next(answer.iter_lines()) == "retry: 1000"
