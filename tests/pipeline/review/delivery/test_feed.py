"""The feed of verdicts: each stream gets each flag at least once, in order, and resumes after an id."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from pipeline.base.errors import DependencyError
from pipeline.review.cases.case_values import Choice, Filters
from pipeline.review.database import Database
from pipeline.review.delivery import feed as feeds
from pipeline.review.delivery.feed import VerdictFeed
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag


class Desk:
    """A store and its feed, with a clock of their own."""

    def __init__(self, database: Database) -> None:
        self.now = NOON
        self.database = database
        self.store = SqlReviewStore(database)
        self.feed = VerdictFeed(database, lambda: self.now, every=0.005)

    def add(self, name: str, at: float = 0.0, **changes: Any) -> None:
        """Store a flag of a speaker of its own, `at` seconds after NOON."""
        self.store.add([flag(name, **{"speaker": name} | changes)], NOON + at)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    made = Desk(database)
    async with made.feed:
        yield made


@asynccontextmanager
async def reading(desk: Desk, room: str | None = None, after: float | None = None) -> AsyncIterator["Reader"]:
    """Open a stream that has begun."""
    async with aclosing(desk.feed.events(room, after)) as events:
        assert await anext(events) == b"retry: 1000\n\n"
        yield Reader(events)


class Reader:
    def __init__(self, events: AsyncIterator[bytes]) -> None:
        self._events = events

    async def next(self) -> tuple[int, dict[str, Any]]:
        """Return the id and the body of the next event."""
        fields = dict(line.split(b": ", 1) for line in (await anext(self._events)).strip().split(b"\n"))
        assert fields[b"event"] == b"flag.raised"
        return int(fields[b"id"]), json.loads(fields[b"data"])

    async def names(self, number: int) -> list[str]:
        return [(await self.next())[1]["data"]["id"] for _ in range(number)]


async def test_a_stream_gets_the_flags_of_its_room_from_its_beginning(desk: Desk) -> None:
    desk.add("before", -60)
    async with reading(desk) as every, reading(desk, "lobby") as lobby:
        desk.add("a", 1)
        desk.add("b", 2, room="lobby")
        assert await every.names(2) == ["a", "b"]
        identity, body = await lobby.next()
    [case] = desk.store.cases(Filters(room="lobby"))
    assert identity == round((NOON + 2) * 1e6)
    assert (body["type"], body["timestamp"]) == ("flag.raised", "2026-01-01T12:00:02Z")
    assert (body["data"]["id"], body["data"]["case"], body["data"]["room"]) == ("b", case.id, "lobby")


async def test_passed_flags_and_flags_of_decided_speech_are_no_verdicts(desk: Desk) -> None:
    desk.add("a", -60, end=4, speaker="ann")
    [case] = desk.store.cases(Filters())
    desk.store.decide(case.id, "lea", Choice(verdict="dismiss"), NOON)
    async with reading(desk) as reader:
        desk.store.add([flag("audit", suggestion="pass")], NOON, drawn={"audit"}, probability=1.0)
        desk.add("again", start=0.1, end=4, speaker="ann")
        desk.add("new")
        assert await reader.names(1) == ["new"]


async def test_a_stream_that_resumes_gets_what_it_missed_and_then_the_news(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "PAGE", 2)
    desk.now = NOON + 600
    for number in range(7):
        desk.add(f"{number}", 100 * number)
    async with reading(desk, after=NOON + 200) as reader:
        assert await reader.names(5) == ["2", "3", "4", "5", "6"]
        desk.add("new", 600)
        assert await reader.names(1) == ["new"]


async def test_a_flag_that_becomes_visible_late_reaches_open_and_resumed_streams(desk: Desk) -> None:
    async with reading(desk) as reader:
        desk.add("second", 5)
        place, _ = await reader.next()
        desk.add("first", 1)
        assert await reader.names(1) == ["first"]
    async with reading(desk, after=place / 1e6) as reader:
        assert await reader.names(2) == ["first", "second"]


async def test_a_flag_of_the_overlap_comes_once_to_a_stream(desk: Desk) -> None:
    async with reading(desk, after=NOON) as reader:
        desk.add("a")
        assert await reader.names(1) == ["a"]
        desk.add("b", 1)
        assert await reader.names(1) == ["b"]


async def test_a_flag_that_becomes_worse_comes_again(desk: Desk) -> None:
    desk.add("a", end=3, early=True)
    async with reading(desk, after=NOON) as reader:
        assert await reader.names(1) == ["a"]
        desk.add("a", 1, end=6)
        desk.add("a", 2, end=9, suggestion="block")
        _, body = await reader.next()
        assert (body["data"]["id"], body["data"]["suggestion"]) == ("a", "block")


async def test_a_stream_that_is_read_too_slowly_ends_and_holds_up_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MAX_VERDICTS", 2)
    async with aclosing(desk.feed.events()) as slow, reading(desk) as quick:
        await anext(slow)
        for number in range(4):
            desk.add(f"{number}", number)
            assert await quick.names(1) == [f"{number}"]
        assert [event async for event in slow] == []
        assert desk.feed.open == 1


async def test_a_silent_stream_gets_comments(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PING_SECONDS", 0.01)
    async with aclosing(desk.feed.events()) as events:
        await anext(events)
        assert await anext(events) == b": ping\n\n"


async def test_a_stream_ends_when_the_server_stops(desk: Desk) -> None:
    async with aclosing(desk.feed.events()) as events:
        await anext(events)
        desk.feed.hang_up()
        assert [event async for event in events] == []


async def test_the_feed_outlives_a_store_that_does_not_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[Exception] = [DependencyError("The database does not answer", "Start it."), ZeroDivisionError()]
    read = desk.database.read

    def failing() -> Any:
        if faults:
            raise faults.pop()
        return read()

    async with reading(desk) as reader:
        monkeypatch.setattr(desk.database, "read", failing)
        desk.add("a")
        assert await reader.names(1) == ["a"]
    assert faults == []
