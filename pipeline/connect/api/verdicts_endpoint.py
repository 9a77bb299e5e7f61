"""GET /v1/verdicts: the stream of verdicts, as server-sent events."""

import asyncio
import re
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from pipeline.base.http_problems import ERRORS
from pipeline.review.delivery.feed import VerdictFeed

verdicts_router = APIRouter(prefix="/v1/verdicts", tags=["verdicts"], responses=ERRORS)

MAX_STREAMS = 256
"""The most open streams of one process."""
STALL_SECONDS = 30.0
"""Seconds for which a reader may take no data. Then its connection is closed."""

PLACE = re.compile(r"\d{1,17}", re.ASCII)
"""An id of the stream: microseconds since 1970. 17 digits last until the year 5138."""

RoomName = Annotated[
    str, Query(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$", description="only this room")
]


class EventStream(StreamingResponse):
    """Server-sent events. A reader that takes nothing for STALL_SECONDS loses its connection."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        async def patient(message: Message) -> None:
            # A reader that takes nothing keeps `send` waiting, and its place among MAX_STREAMS.
            async with asyncio.timeout(STALL_SECONDS):
                await send(message)

        with suppress(TimeoutError):
            await super().stream_response(patient)


@verdicts_router.get(
    "",
    response_class=EventStream,
    responses={200: {"content": {"text/event-stream": {}}, "description": "An endless stream of flag.raised events."}},
)
async def stream_verdicts(
    request: Request,
    room: RoomName | None = None,
    last_event_id: Annotated[str | None, Header(description="the last id that you got, to resume after it")] = None,
) -> EventStream:
    """Stream each flag when it is stored: of one room, or of all.

    Without `Last-Event-ID` the stream begins now. With it, flags that were stored since then come first. Flags of the
    10 seconds before that come again, so handle each `data.id` once.
    """
    feed: VerdictFeed = request.app.state.feed
    after = None if last_event_id is None else _time_of(last_event_id)
    if feed.open >= MAX_STREAMS:
        raise HTTPException(503, f"{MAX_STREAMS} streams are open. Close one, or read all rooms in one stream.")
    # nginx would otherwise hold verdicts back until its buffer is full.
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return EventStream(feed.events(room, after), headers=headers)


def _time_of(last_event_id: str) -> float:
    """Return the time in an id of the stream, in UTC seconds. Raises HTTPException (400) for another text."""
    if not PLACE.fullmatch(last_event_id):
        raise HTTPException(400, "Last-Event-ID is no id of this stream. Send the last id that you got, or none.")
    return int(last_event_id) / 1e6
