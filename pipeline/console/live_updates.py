"""Live updates: every open page gets changes in the store as server-sent events.

Other processes write cases and leases, too. So one task asks the store every POLL_SECONDS, for all pages. It
puts each change into a small queue of each page. If a page reads too slowly, its stream ends, and the page connects
again by itself.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Annotated

import msgspec
from fastapi import APIRouter, Form
from fastapi.responses import Response
from msgspec import Struct

from pipeline.base.errors import DependencyError
from pipeline.console.fields import IdForm
from pipeline.console.services import Signed, TheServices
from pipeline.review.accounts import presence
from pipeline.review.cases import assigning, case_queue, eligibility, leases, reading
from pipeline.review.cases.case_values import Case
from pipeline.review.cases.reading import decisions_since
from pipeline.review.database import Database

router = APIRouter()

log = logging.getLogger(__name__)
# Each look covers the 10 seconds before the last look again. A case becomes visible when its transaction ends, which is
# later than the time that the case bears.
OVERLAP_SECONDS = 10.0
MAX_EVENTS = 256  # the most events that wait for one page
MAX_PAGES = 16  # the most streams of one account
# Pause between two reads of news. A moderator sees a change of another one at once, and a read costs under 1 ms.
POLL_SECONDS = 0.15

PING_SECONDS = 15.0  # seconds without an event, after which a comment keeps the stream open

PageForm = Annotated[str, Form(pattern=r"^[0-9a-f]{32}$", description="A random id of the open page.")]


class Arrived(Struct, frozen=True, tag="arrived", tag_field="event"):
    """A case is new in the store."""

    case: str
    severity: int
    at: float
    """The time when it was stored, in UTC seconds."""


class Decided(Struct, frozen=True, tag="decided", tag_field="event"):
    """A decision was made, or undone if `undone` is true."""

    id: str
    case: str
    by: str
    verdict: str
    undone: bool


class Leased(Struct, frozen=True, tag="leased", tag_field="event"):
    """The lease on a case changed. `by` is the account that holds it; empty if the lease ended."""

    case: str
    by: str


class Assigned(Struct, frozen=True, tag="assigned", tag_field="event"):
    """A case was given to the account `to`; empty if it was taken back. `at` is UTC seconds."""

    case: str
    to: str
    at: float


News = Arrived | Decided | Assigned


class Viewed(Struct, frozen=True, tag="viewed", tag_field="event"):
    """The people who have a case open changed. Only these people get the event, because they may see the case."""

    case: str
    by: tuple[str, ...]
    """The accounts that have it open, in order of names."""
    holder: str
    """The account that holds its lease; empty if nobody does."""


class Outage(Struct, frozen=True, tag="outage", tag_field="event"):
    """The store stopped answering. The page itself asks when it answers again."""


Event = Arrived | Decided | Leased | Assigned | Viewed | Outage


class Watch:
    """Finds the changes in the store since the last look."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen: dict[tuple[str, ...], float] = {}
        self._holders: dict[str, str] = {}
        self._viewed: dict[str, Viewed] = {}
        self._looked: float | None = None
        """The time of the last look, in UTC seconds."""

    def look(self, now: float) -> list[Event]:
        """Return the changes since the last look, at the time `now` (UTC seconds). The first look returns none."""
        # `min`, because the clock may have been set back since the last look.
        since = min(now, self._looked or now) - OVERLAP_SECONDS
        with self._database.read() as connection:
            arrived = [_arrived(case) for case in case_queue.since(connection, since)]
            decided = [
                Decided(one.id, one.case, one.moderator, one.verdict, one.undone is not None)
                for one in decisions_since(connection, since)
            ]
            assigned = [Assigned(one.case, one.account or "", one.at) for one in assigning.since(connection, since)]
            holders = leases.holders(connection, now)
            readers = presence.all_viewers(connection, now)
        # The store returns the newest first, but pages add events in the order of time.
        found: list[News] = [*reversed(arrived), *decided, *reversed(assigned)]
        fresh = [event for event in found if self._new(event, now)]
        events: list[Event] = [*fresh, *self._moved(holders), *self._opened(viewed(readers, holders))]
        before, self._looked = self._looked, now
        self._forget(since)
        # A page reads the current state when it opens, so the first look has nothing new.
        return [] if before is None else events

    def _new(self, event: News, now: float) -> bool:
        key = _key(event)
        fresh = key not in self._seen
        self._seen[key] = now
        return fresh

    def _moved(self, holders: dict[str, str]) -> list[Leased]:
        before, self._holders = self._holders, holders
        gone = [Leased(case, "") for case in before.keys() - holders.keys()]
        return gone + [Leased(case, by) for case, by in holders.items() if before.get(case) != by]

    def _opened(self, now: dict[str, Viewed]) -> list[Viewed]:
        before, self._viewed = self._viewed, now
        return [event for case, event in now.items() if before.get(case) != event]

    def _forget(self, since: float) -> None:
        # Older ones cannot come again: a look covers only the time after `since`.
        self._seen = {key: at for key, at in self._seen.items() if at >= since}


class LiveQueue:
    """The live streams of all pages.

    `async with live:` looks at the store every `every` seconds. `live.events()` is the stream of one page. `clock`
    returns UTC seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float], every: float) -> None:
        self._watch = Watch(database)
        self._clock = clock
        self._every = every
        self._fails = False
        """Whether the last look failed, because the store did not answer."""
        self._pages: dict[asyncio.Queue[bytes | None], str] = {}

    async def __aenter__(self) -> "LiveQueue":
        self._task = asyncio.create_task(self._run(), name="live")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def people(self) -> frozenset[str]:
        """Return the accounts with an open page."""
        return frozenset(self._pages.values())

    async def events(self, account: str) -> AsyncGenerator[bytes]:
        """Yield server-sent events until the page of `account` closes or reads too slowly, or the server stops.

        The stream of an account's oldest page ends when it opens more than MAX_PAGES.
        """
        # The oldest stream ends, and not the new one: a person looks at the page that they opened last.
        theirs = [page for page, owner in self._pages.items() if owner == account]
        if len(theirs) >= MAX_PAGES:
            self._end(theirs[0])
        mine: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_EVENTS)
        self._pages[mine] = account
        try:
            yield b"retry: 1000\n\n"  # the browser waits one second before it connects again
            while True:
                try:
                    async with asyncio.timeout(PING_SECONDS):
                        event = await mine.get()
                except TimeoutError:
                    # Proxies end a connection on which nothing is sent for a minute.
                    event = b": ping\n\n"
                if event is None:
                    return
                yield event
        finally:
            self._pages.pop(mine, None)

    def hang_up(self) -> None:
        """End the streams of all pages, so that the server can stop."""
        for waiting in list(self._pages):  # a copy, because `_end` changes the dictionary
            self._end(waiting)

    async def _run(self) -> None:
        while True:
            for event in await self._look():
                self._send(event)
            await asyncio.sleep(self._every)

    async def _look(self) -> list[Event]:
        """Return the changes; none if the look fails. An error must not end the task that serves all pages."""
        try:
            # A thread, because SQLAlchemy blocks, and the event loop serves all streams.
            found = await asyncio.to_thread(self._watch.look, self._clock())
        except DependencyError as error:
            if not self._fails:  # there are several looks in a second, and an outage may take hours
                log.warning("live updates stop until the store answers: %s", error)
                self._send(Outage())
            self._fails = True
        except Exception:
            log.exception("live updates: reading the store failed; trying again")
        else:
            self._fails = False
            return found
        return []

    def _send(self, event: Event) -> None:
        data = b"data: " + msgspec.json.encode(event) + b"\n\n"
        for waiting, account in list(self._pages.items()):
            if isinstance(event, Viewed) and account not in event.by:
                continue
            # Never wait for a slow page here: all other pages would wait, too.
            if waiting.full():
                self._end(waiting)
            else:
                waiting.put_nowait(data)

    def _end(self, page: asyncio.Queue[bytes | None]) -> None:
        # The page gets no more events, even before its stream notices the end.
        self._pages.pop(page, None)
        if page.full():
            page.get_nowait()  # room for the mark of the end
        page.put_nowait(None)


@router.post("/viewing")
def note_viewing(services: TheServices, session: Signed, page: PageForm, case: IdForm = "") -> Response:
    """Record which case an open page shows, and return who else has it open. Without a `case`, it shows none any more.

    403 if the reader speaks in the case, or reported it: then they learn nothing.
    """
    name, now = session.account.name, services.clock()
    with services.database.write() as connection:
        if not case:
            presence.end_viewing(connection, name, page)
            return Response(status_code=204)
        eligibility.check_party(connection, reading.case(connection, case), name)
        presence.note_viewer(connection, name, page, case, now)
        found = viewed(presence.all_viewers(connection, now), leases.holders(connection, now))[case]
    return Response(msgspec.json.encode(found), media_type="application/json")


def viewed(readers: Mapping[str, frozenset[str]], holders: Mapping[str, str]) -> dict[str, Viewed]:
    """Return who has each case open, by case id. `readers` and `holders` are by case id, too."""
    return {case: Viewed(case, tuple(sorted(names)), holders.get(case, "")) for case, names in readers.items()}


def _key(event: News) -> tuple[str, ...]:
    match event:
        case Arrived():
            return (event.case,)
        case Decided():
            return event.id, str(event.undone)
        case Assigned():
            return event.case, "assigned", str(event.at)


def _arrived(case: Case) -> Arrived:
    return Arrived(case.id, case.severity, case.created_at)
