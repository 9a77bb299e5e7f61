"""The pages of a speaker and of a room: their cases, and the flagged speech around them on one timeline."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.console.cases.marked_text import FoundRow, found_row
from pipeline.console.cases.search_page import address, viewer_of
from pipeline.console.fields import NO_CONTROL, NameQuery
from pipeline.console.rendering import page, profile_href, zone_of
from pipeline.console.services import Services, Signed, TheServices
from pipeline.contract.messages import Flag
from pipeline.review import audit_log
from pipeline.review.audit_log import pseudonym
from pipeline.review.cases import phrase_muting
from pipeline.review.cases.speaker_measures import Proposal
from pipeline.review.delivery import room_counts
from pipeline.review.search import case_lists, finding
from pipeline.review.search.case_lists import STRIP_DAYS, Spoken, list_cases
from pipeline.review.search.finding import COUNTED, PAGE, FoundCase, Viewer
from pipeline.review.search.query import QueryTerm, Wanted, write_query

router = APIRouter()

PersonPath = Annotated[str, Path(max_length=256, pattern=NO_CONTROL)]
Show = Annotated[Literal["all", "open", "violation"], Query()]
Minutes = Annotated[Literal["1", "5", "20"], Query()]
Until = Annotated[float | None, Query(ge=-1e12, le=1e12)]

SHOWN: Mapping[str, Wanted] = {
    "all": Wanted(),
    "open": Wanted(status=("pending", "escalated")),
    "violation": Wanted(verdict=("uphold",)),
}
AFTER_SECONDS = 60.0  # seconds that a timeline goes on after the newest flagged speech
NARROWEST = 0.6  # the least width of a block, in percent of the timeline: a click must still hit it
TICKS = 4  # parts of the axis: a label stands at each end of them
STAGE_SECONDS = 86_400.0  # speakers with cases of this age in seconds count as on stage


class StripDot(Struct, frozen=True):
    """The cases of one severity and one day in the strip of 30 days. `x` and `y` are units of the strip."""

    severity: int
    x: float
    y: float
    cases: int


class LaneBlock(Struct, frozen=True):
    """Speech in a lane. `x` and `width` are percent of the timeline."""

    spoken: Spoken
    x: float
    width: float


class RoomAxis(Struct, frozen=True):
    """A timeline from `start` to `end` (UTC seconds), with a lane for each speaker, and the addresses beside it."""

    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    lanes: Mapping[str, Sequence[LaneBlock]]
    earlier: str
    later: str
    zooms: Mapping[str, str]


class ProfileAsked(Struct, frozen=True):
    """What a request asks of the page: which cases, and which part of the timeline."""

    show: str
    minutes: str
    until: float | None
    name: str
    """The id of the speaker or room, if no path can hold it (`.` and `..`)."""


async def asked_of(
    show: Show = "all", minutes: Minutes = "20", until: Until = None, name: NameQuery = ""
) -> ProfileAsked:
    """Return what a request asks of the page."""
    return ProfileAsked(show, minutes, until, name)


TheAsked = Annotated[ProfileAsked, Depends(asked_of)]


@router.get("/speakers/{speaker:path}", response_class=HTMLResponse)
def speaker_page(
    request: Request, services: TheServices, session: Signed, asked: TheAsked, speaker: PersonPath
) -> Response:
    """Show a speaker: cases, rooms, appeals, and the measure that the ladder proposes."""
    speaker = speaker or asked.name  # `profile_href` says why a name may be in the query
    with services.database.read() as connection:
        viewer = viewer_of(services, connection, session)
        last = case_lists.last_spoken(connection, viewer, speaker=speaker)
        href = profile_href("speakers", speaker)
        values = _common(request, services, connection, viewer, Wanted(speaker=(speaker,)), asked, last, href)
        values |= {
            "speaker": speaker,
            "room": last.room if last else "",
            "rooms": case_lists.rooms_of(connection, speaker, viewer),
            "appeals": case_lists.appeals_of(connection, speaker, viewer),
            "proposal": _proposal(services, connection, values["rows"]),
        }
    # Before the log: a name about which nothing is stored leaves no line.
    _known(speaker, values)
    _log(services, session, "speaker.view", pseudonym(speaker))
    return page(request, "speaker.html", **values)


@router.get("/rooms/{room:path}", response_class=HTMLResponse)
def room_page(request: Request, services: TheServices, session: Signed, asked: TheAsked, room: PersonPath) -> Response:
    """Show a room: cases, speakers on stage, muted phrases and reports."""
    room = room or asked.name  # as for a speaker
    now = services.clock()
    with services.database.read() as connection:
        viewer = viewer_of(services, connection, session)
        last = case_lists.last_spoken(connection, viewer, room=room)
        href = profile_href("rooms", room)
        values = _common(request, services, connection, viewer, Wanted(room=(room,)), asked, last, href)
        values |= {
            "room": room,
            "last": last,
            "people": case_lists.speakers_of(
                connection, room, now - STAGE_SECONDS, services.measures.since(now), viewer
            ),
            "phrases": phrase_muting.in_room(connection, room, now),
            "reports": case_lists.reports_in(connection, room, viewer),
            "spoken": room_counts.of_room(connection, room, now),
            "spoken_days": room_counts.DAYS,
        }
    # A room without cases still has figures about its speech.
    if not values["spoken"]:
        _known(room, values)
    _log(services, session, "room.view", room)
    return page(request, "room.html", **values)


def _common(
    request: Request,
    services: Services,
    connection: Connection,
    viewer: Viewer,
    whose: Wanted,
    asked: ProfileAsked,
    last: Flag | None,
    href: str,
) -> dict[str, Any]:
    """Return the values of both pages: the cases, and the timeline of the room in which somebody spoke last."""
    values = _cases(services, connection, viewer, whose, asked.show)
    axis = _axis(request, connection, viewer, last.room, last.end, asked.minutes, asked.until, href) if last else None
    return values | {"axis": axis, "href": href, "minutes": asked.minutes}


def _known(name: str, values: Mapping[str, Any]) -> None:
    """Raise 404 if nothing is stored about the name."""
    if not name or not values["total"]:
        raise HTTPException(404, "Nothing is stored about this name.")


def _cases(services: Services, connection: Connection, viewer: Viewer, whose: Wanted, show: str) -> dict[str, Any]:
    """Return the values about cases: counts, the strip of 30 days, and the newest ones of the chosen kind."""
    found = finding.find_cases(connection, whose, viewer)
    recent = case_lists.recent(found, services.clock())
    chosen = [one for one in found if _shows(SHOWN[show], one)]
    terms = [QueryTerm(name, tuple(getattr(whose, name))) for name in ("speaker", "room") if getattr(whose, name)]
    return {
        "total": len(found),
        "counted": COUNTED,
        "recent": len(recent),
        "dots": strip_dots(recent, services.clock()),
        "days": STRIP_DAYS,
        "states": Counter(one.verdict if one.status == "decided" else "open" for one in recent),
        "rows": [found_row(row) for row in list_cases(connection, [one.id for one in chosen[:PAGE]])],
        "show": show,
        "search": address(write_query(terms)),
    }


def _proposal(services: Services, connection: Connection, rows: Sequence[FoundRow]) -> Proposal | None:
    """Return the measure that the ladder proposes for the speaker's newest open case; None if no case is open."""
    waiting = next((row.listed.case for row in rows if row.listed.case.status != "decided"), None)
    return services.measures.propose(connection, waiting, services.clock()) if waiting else None


def _shows(wanted: Wanted, one: FoundCase) -> bool:
    return (not wanted.status or one.status in wanted.status) and (not wanted.verdict or one.verdict in wanted.verdict)


def strip_dots(cases: Iterable[FoundCase], at: float) -> list[StripDot]:
    """Return the marks of the strip: a day has 25.6 units, wider than a mark, so that none cuts another."""
    days = Counter((one.severity, min(int((at - one.created_at) / 86_400), STRIP_DAYS - 1)) for one in cases)
    return [StripDot(level, 844 - 25.6 * (ago + 1), 78.0 - 24 * level, n) for (level, ago), n in sorted(days.items())]


def _axis(
    request: Request,
    connection: Connection,
    viewer: Viewer,
    room: str,
    newest: float,
    minutes: str,
    until: float | None,
    href: str,
) -> RoomAxis:
    seconds = 60.0 * int(minutes)
    end = min(newest + AFTER_SECONDS, newest + AFTER_SECONDS if until is None else until)
    start = end - seconds
    spoken = case_lists.timeline(connection, room, start, end, viewer)
    joint = "&" if "?" in href else "?"  # the address of `.` or `..` has a query already

    def at(moment: float, zoom: str = minutes) -> str:
        return f"{href}{joint}{urlencode({'minutes': zoom, 'until': repr(moment)})}#timeline"

    return RoomAxis(
        start,
        end,
        _ticks(start, seconds, zone_of(request)),
        {name: [_block(one, start, seconds) for one in lane] for name, lane in spoken.items()},
        at(end - seconds / 2),
        at(end + seconds / 2) if end < newest + AFTER_SECONDS else "",
        {zoom: at(end, zoom) for zoom in ("1", "5", "20")},
    )


def _ticks(start: float, seconds: float, zone: tzinfo) -> tuple[tuple[float, str], ...]:
    """Return the labels of the axis: place in percent, and local time."""
    # A minute in four parts needs seconds on its labels.
    pattern = "%H:%M" if seconds > 120 else "%H:%M:%S"
    shares = [number / TICKS for number in range(TICKS + 1)]
    return tuple((100 * one, datetime.fromtimestamp(start + one * seconds, zone).strftime(pattern)) for one in shares)


def _block(spoken: Spoken, start: float, seconds: float) -> LaneBlock:
    width = 100 * (spoken.flag.end - spoken.flag.start) / seconds
    x = 100 * (spoken.flag.start - start) / seconds
    return LaneBlock(spoken, round(x, 2), round(min(max(width, NARROWEST), 100 - x), 2))


def _log(services: Services, session: Signed, action: str, subject: str) -> None:
    """Write who looked at whom. A speaker stands there as a pseudonym, because the log outlives an erasure."""
    with services.database.write() as connection:
        audit_log.append(connection, services.clock(), session.account.name, action, subject)
