"""Live updates: pages get the changes of all writers."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing

import httpx
import msgspec
import pytest

from pipeline.base.errors import DependencyError
from pipeline.console.live_updates import (
    MAX_PAGES,
    Arrived,
    Assigned,
    Decided,
    Event,
    Leased,
    LiveQueue,
    Outage,
    Viewed,
    Watch,
)
from pipeline.review.accounts import presence
from pipeline.review.accounts.presence import SHOWN_SECONDS
from pipeline.review.cases import assigning, deciding, leases
from pipeline.review.cases.case_values import Choice
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review import people


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    people.hire(opened)
    yield opened
    opened.close()


@pytest.fixture
def watch(database: Database) -> Watch:
    made = Watch(database)
    assert made.look(NOON) == []
    return made


def add(database: Database, name: str, at: float) -> str:
    return SqlReviewStore(database).add([flag(name, at * 100, at * 100 + 1)], NOON + at)[0].case


def test_the_first_look_returns_no_old_cases(database: Database) -> None:
    add(database, "old", 0)
    watch = Watch(database)
    assert watch.look(NOON + 1) == []
    fresh = add(database, "new", 1)
    assert watch.look(NOON + 1) == [Arrived(fresh, 1, NOON + 1)]


def test_each_case_gives_one_event_also_if_it_is_late(database: Database, watch: Watch) -> None:
    first = add(database, "a", 5)
    assert watch.look(NOON + 5) == [Arrived(first, 1, NOON + 5)]
    late = add(database, "b", 3)  # its time is earlier, but its transaction ended later
    assert watch.look(NOON + 6) == [Arrived(late, 1, NOON + 3)]
    assert watch.look(NOON + 8) == []


def test_cases_that_came_during_an_outage_give_events(database: Database, watch: Watch) -> None:
    """The store may be away for this console only, or the process may stand still."""
    missed = add(database, "a", 5)
    assert watch.look(NOON + 300) == [Arrived(missed, 1, NOON + 5)]
    assert watch.look(NOON + 301) == []


def test_leases_and_decisions_give_events(database: Database, watch: Watch) -> None:
    case = add(database, "a", 0)
    watch.look(NOON)
    with database.write() as connection:
        leases.claim(connection, case, "ana", NOON + 1)
    assert watch.look(NOON + 1) == [Leased(case, "ana")]
    with database.write() as connection:
        made = deciding.decide(connection, case, "ana", Choice(verdict="dismiss"), NOON + 2)
    assert watch.look(NOON + 2) == [Decided(made.id, case, "ana", "dismiss", False), Leased(case, "")]
    with database.write() as connection:
        deciding.undo(connection, made.id, "ana", NOON + 3)
    assert watch.look(NOON + 3) == [Decided(made.id, case, "ana", "dismiss", True)]


def test_an_assignment_and_its_undo_give_events(database: Database, watch: Watch) -> None:
    case = add(database, "a", 0)
    watch.look(NOON)
    with database.write() as connection:
        made = assigning.move(connection, [case], "ana", "lea", "workload", NOON + 1, 60.0)
    assert watch.look(NOON + 1) == [Assigned(case, "ana", NOON + 1)]
    assert watch.look(NOON + 1) == []
    with database.write() as connection:
        assigning.undo(connection, made.id, "lea", NOON + 2)
    assert watch.look(NOON + 2) == [Assigned(case, "", NOON + 2)]


def test_people_who_open_a_case_give_events(database: Database, watch: Watch) -> None:
    with database.write() as connection:
        presence.note_viewer(connection, "ben", "1", "a", NOON)
        presence.note_viewer(connection, "ana", "2", "a", NOON)
    assert watch.look(NOON) == [Viewed("a", ("ana", "ben"), "")]
    assert watch.look(NOON) == []
    case = add(database, "a", 1)
    with database.write() as connection:
        leases.claim(connection, case, "ana", NOON + 1)
        presence.note_viewer(connection, "ana", "2", case, NOON + 1)
    found = [event for event in watch.look(NOON + 1) if isinstance(event, Viewed)]
    assert sorted(found, key=lambda event: event.by) == [Viewed(case, ("ana",), "ana"), Viewed("a", ("ben",), "")]
    with database.write() as connection:
        leases.release_lease(connection, leases.claim(connection, case, "ana", NOON + 2).id, "ana")
    assert Viewed(case, ("ana",), "") in watch.look(NOON + 2)


async def test_only_people_with_the_case_open_hear_who_else_has(database: Database) -> None:
    looked, looks = asyncio.Event(), []

    def clock() -> float:
        looks.append(NOON)
        if len(looks) > 1:
            looked.set()
        return NOON

    live = LiveQueue(database, clock, 0.001)
    async with live, aclosing(live.events("ana")) as ana, aclosing(live.events("lea")) as lea:
        for page in (ana, lea):
            assert await anext(page) == b"retry: 1000\n\n"
        await asyncio.wait_for(looked.wait(), 60)  # the first look tells nothing
        with database.write() as connection:
            presence.note_viewer(connection, "ana", "1", "a", NOON)
            presence.note_viewer(connection, "ben", "2", "a", NOON)
        heard = await asyncio.wait_for(anext(ana), 60)
        assert msgspec.json.decode(heard.removeprefix(b"data: "), type=Event) == Viewed("a", ("ana", "ben"), "")
        case = await asyncio.to_thread(add, database, "b", 1)
        last = await asyncio.wait_for(anext(lea), 60)
        assert msgspec.json.decode(last.removeprefix(b"data: "), type=Event) == Arrived(case, 1, NOON + 1)


async def test_an_account_has_a_bounded_number_of_streams(database: Database) -> None:
    live = LiveQueue(database, lambda: NOON, 60.0)
    async with live:
        async with AsyncExitStack() as stack:
            pages = [await stack.enter_async_context(aclosing(live.events("ana"))) for _ in range(MAX_PAGES + 1)]
            other = await stack.enter_async_context(aclosing(live.events("ben")))
            for page in (*pages, other):
                assert await anext(page) == b"retry: 1000\n\n"
            assert [event async for event in pages[0]] == []
            assert live.people() == {"ana", "ben"}
        assert live.people() == set()


def test_an_expired_lease_gives_an_event(database: Database, watch: Watch) -> None:
    case = add(database, "a", 0)
    with database.write() as connection:
        leases.claim(connection, case, "ana", NOON, seconds=30)
    watch.look(NOON)
    assert watch.look(NOON + 31) == [Leased(case, "")]


async def test_looks_continue_after_an_error(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    again, looks = asyncio.Event(), []

    def clock() -> float:
        looks.append(NOON)
        if len(looks) == 1:
            raise ValueError("A mistake of ours")
        again.set()
        return NOON

    async with LiveQueue(database, clock, 0.001):
        await asyncio.wait_for(again.wait(), 60)
    assert "trying again" in caplog.text


async def test_an_outage_of_the_store_is_logged_and_told_to_pages_once(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, answers = LiveQueue(database, lambda: NOON, 1), iter([False, False, True, False])
    told: list[Event] = []
    monkeypatch.setattr(live, "_send", told.append)

    def look(_: float) -> list[Event]:
        if next(answers):
            return []
        raise DependencyError("The review store does not answer")

    monkeypatch.setattr(live._watch, "look", look)
    logged = []
    for _ in range(4):
        assert await live._look() == []
        logged.append(caplog.text.count("does not answer"))
    assert logged == [1, 1, 1, 2]
    assert told == [Outage()] * 2


def events(client: httpx.Client, ready: threading.Event) -> Iterator[Event]:
    with client.stream("GET", "/queue/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            ready.set()
            if line.startswith("data: "):
                yield msgspec.json.decode(line.removeprefix("data: "), type=Event)


def test_an_open_page_gets_events(console: Console, enter: Enter) -> None:
    ready, heard = threading.Event(), []
    thread = threading.Thread(target=lambda: heard.append(next(events(enter("ana"), ready))))
    thread.start()
    assert ready.wait(60)
    [outcome] = console.store.add([flag("a", 0, 5)], NOON)
    thread.join(60)
    assert heard == [Arrived(outcome.case, 1, NOON)]


FIRST, SECOND = "a" * 32, "b" * 32


def stored_case(console: Console, speaker: str = "ann") -> str:
    return console.store.add([flag("a", 0, 5, speaker=speaker)], NOON)[0].case


def test_a_page_hears_who_else_has_its_case_open(console: Console, enter: Enter) -> None:
    case, ana, ben = stored_case(console), enter("ana"), enter("ben")
    heard = ana.post("/viewing", data={"page": FIRST, "case": case})
    assert heard.json() == {"event": "viewed", "case": case, "by": ["ana"], "holder": ""}
    ana.post(f"/cases/{case}/open")
    heard = ben.post("/viewing", data={"page": SECOND, "case": case})
    assert heard.json() == {"event": "viewed", "case": case, "by": ["ana", "ben"], "holder": "ana"}
    assert ana.post("/viewing", data={"page": FIRST}).status_code == 204
    assert ben.post("/viewing", data={"page": SECOND, "case": case}).json()["by"] == ["ben"]


def test_a_page_without_word_is_closed(console: Console, enter: Enter) -> None:
    case, ana, ben = stored_case(console), enter("ana"), enter("ben")
    ana.post("/viewing", data={"page": FIRST, "case": case})
    console.clock.now += SHOWN_SECONDS
    assert ben.post("/viewing", data={"page": SECOND, "case": case}).json()["by"] == ["ben"]


def test_who_may_not_see_the_case_learns_nothing(console: Console, enter: Enter) -> None:
    case = stored_case(console, speaker="ben")
    enter("ana").post("/viewing", data={"page": FIRST, "case": case})
    answer = enter("ben").post("/viewing", data={"page": SECOND, "case": case})
    assert answer.status_code == 403
    assert "ana" not in answer.text
    assert enter("lea").post("/viewing", data={"page": SECOND, "case": case}).json()["by"] == ["ana", "lea"]


def test_wrong_words_are_refused(console: Console, enter: Enter) -> None:
    ana = enter("ana")
    assert ana.post("/viewing", data={"page": "short", "case": stored_case(console)}).status_code == 422
    assert ana.post("/viewing", data={"page": FIRST, "case": "0" * 8}).status_code == 404
