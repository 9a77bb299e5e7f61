"""The feed of verdicts: every open stream gets each flag when it is stored.

Other processes store flags, too. So one task asks the store again and again, for all streams. It puts each new flag
into a small queue of each stream. If a stream is read too slowly, it ends; its reader connects again and resumes.

A transaction can become visible after a later one. So each look covers the last OVERLAP_SECONDS again, and so does a
stream that resumes: a reader gets every flag at least once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select, tuple_

from pipeline.base.errors import DependencyError
from pipeline.review.cases import reading
from pipeline.review.database import Database
from pipeline.review.delivery.events_for_apps import RAISED, envelope, flag_payload
from pipeline.review.tables.core import FLAGS

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""Seconds between two looks into the store."""
OVERLAP_SECONDS = 10.0
"""Seconds that each look, and each stream that resumes, covers again."""
MAX_VERDICTS = 1_024
"""The most verdicts that wait for one stream."""
PAGE = 200
"""Flags that one query of a stream that resumes fetches."""
PING_SECONDS = 15.0
"""Seconds without a verdict, after which a comment keeps the stream open."""

ORDER = (FLAGS.c.stored_at, FLAGS.c.start, FLAGS.c.id)
Place = tuple[float, float, str]


class StreamedVerdict(Struct, frozen=True):
    """A flag as a server-sent event."""

    room: str
    place: Place
    event: bytes


class VerdictReader:
    """One stream: its room (None: all rooms), and the verdicts that wait for it. None ends it."""

    def __init__(self, room: str | None) -> None:
        self.room = room
        self.waiting: asyncio.Queue[StreamedVerdict | None] = asyncio.Queue(MAX_VERDICTS)

    def end(self) -> None:
        """End the stream after what the reader has. A gap before the last verdict would be lost when it resumes."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class VerdictFeed:
    """The streams of all readers.

    `async with feed:` looks at the store every `every` seconds. `feed.events(room)` is one stream. `clock` returns UTC
    seconds.
    """

    def __init__(self, database: Database, clock: Callable[[], float], every: float = POLL_SECONDS) -> None:
        self._database = database
        self._clock = clock
        self._every = every
        self._listeners: set[VerdictReader] = set()
        self._seen: dict[str, float] = {}
        """Ids of the flags of the last looks, with the time at which each was stored."""

    @property
    def open(self) -> int:
        """Number of open streams."""
        return len(self._listeners)

    async def __aenter__(self) -> "VerdictFeed":
        await self._look()  # what was stored before is not new
        self._task = asyncio.create_task(self._run(), name="verdicts")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def hang_up(self) -> None:
        """End all streams, so that the server can stop."""
        for listener in list(self._listeners):
            listener.end()

    async def events(self, room: str | None = None, after: float | None = None) -> AsyncGenerator[bytes, None]:
        """Yield server-sent events of one room or all, until the stream is read too slowly or the server stops.

        With `after` (UTC seconds), begin with the flags that were stored since then.
        """
        listener = VerdictReader(room)
        # Listen first, then read the store: no flag falls between the two.
        self._listeners.add(listener)
        began = self._clock()
        sent: set[Place] = set()
        """Flags that the listener may get a second time."""
        try:
            yield b"retry: 1000\n\n"  # milliseconds until the reader connects again
            if after is not None:
                async for verdict in self._stored(room, after - OVERLAP_SECONDS):
                    # Only these can come again from the task. Older ids need no memory.
                    if verdict.place[0] >= began - OVERLAP_SECONDS:
                        sent.add(verdict.place)
                    yield verdict.event
            while True:
                found = await _next(listener)
                if found is None:
                    return
                if isinstance(found, bytes):
                    yield found
                elif found.place not in sent:
                    yield found.event
        finally:
            self._listeners.discard(listener)

    async def _stored(self, room: str | None, since: float) -> AsyncIterator[StreamedVerdict]:
        place: Place = (since, 0.0, "")
        while page := await asyncio.to_thread(self._page, room, place):
            for verdict in page:
                yield verdict
            place = page[-1].place

    def _page(self, room: str | None, after: Place) -> list[StreamedVerdict]:
        query = _raised().where(tuple_(*ORDER) > tuple_(*after)).limit(PAGE)
        with self._database.read() as connection:
            return _verdicts(connection, query if room is None else query.where(FLAGS.c.room == room))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            for verdict in await self._look():
                self._send(verdict)

    async def _look(self) -> Sequence[StreamedVerdict]:
        """Return the new flags; none if the look fails. An error must not end the task that serves all streams."""
        try:
            return await asyncio.to_thread(partial(self._fresh, self._clock() - OVERLAP_SECONDS))
        except DependencyError as error:
            log.warning("verdicts: %s; trying again", error)
        except Exception:
            log.exception("verdicts: reading the store failed; trying again")
        return []

    def _fresh(self, since: float) -> list[StreamedVerdict]:
        """Read only the flags that no look has seen: most looks find none. A flag that became worse has a new time."""
        recent = select(FLAGS.c.id, FLAGS.c.stored_at).where(FLAGS.c.stored_at >= since)
        with self._database.read() as connection:
            stored = {row.id: row.stored_at for row in connection.execute(recent)}
            new = {flag for flag, _ in stored.items() - self._seen.items()}
            found = _verdicts(connection, _raised().where(FLAGS.c.id.in_(new))) if new else []
        self._seen = {flag: at for flag, at in self._seen.items() if at >= since} | stored
        return found

    def _send(self, verdict: StreamedVerdict) -> None:
        for listener in list(self._listeners):
            if listener.room not in {None, verdict.room}:
                continue
            # A slow reader loses its stream, not single verdicts: it resumes from the last one that it has.
            if listener.waiting.full():
                self._listeners.discard(listener)
                listener.end()
            else:
                listener.waiting.put_nowait(verdict)


async def _next(listener: VerdictReader) -> StreamedVerdict | bytes | None:
    """Return the next verdict, or a comment after a silence."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            return await listener.waiting.get()
    except TimeoutError:
        return b": ping\n\n"


def _raised() -> Select[Any]:
    """Select the flags that are verdicts: not audits, and not flags of decided speech."""
    return select(FLAGS).where(FLAGS.c.suggestion != "pass", FLAGS.c.linked.is_(False)).order_by(*ORDER)


def _verdicts(connection: Connection, query: Select[Any]) -> list[StreamedVerdict]:
    rows = connection.execute(query).all()
    return [_verdict(row) for row in rows]


def _verdict(row: Row[Any]) -> StreamedVerdict:
    body = envelope(RAISED, row.stored_at, flag_payload(reading.flag_of(row), row.case_id))
    # The id is a time, and no flag's id: those come from outside, and a line break would begin another field.
    event = b"id: %d\nevent: flag.raised\ndata: %b\n\n" % (round(row.stored_at * 1e6), body)
    return StreamedVerdict(row.room, (row.stored_at, row.start, row.id), event)
