"""The page of one case: its facts, its transcript and its clip."""

from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from msgspec.structs import replace

from pipeline.console.desk import Desk, Signed, TheDesk
from pipeline.console.fields import CaseId, WordQuery
from pipeline.console.guard import Refused
from pipeline.console.pages import page
from pipeline.console.queue_page import Asked, around, listing
from pipeline.console.view import PageView, view
from pipeline.console.waveform import HEIGHT, WIDTH, outline
from pipeline.review import audit
from pipeline.review.appeals import reports
from pipeline.review.cases import duty, notices, phrases, reading
from pipeline.review.cases.leases import Lease
from pipeline.review.cases.measures import Proposal
from pipeline.review.cases.values import Case
from pipeline.review.delivery import enforcements
from pipeline.review.evidence import sound

router = APIRouter(prefix="/cases")

REASONS = ("confirmed", "wrong_label", "misheard", "quote", "joke", "context", "not_speech", "unsure", "legal", "other")


@router.get("/{case}", response_class=HTMLResponse)
def case_page(request: Request, desk: TheDesk, session: Signed, case: CaseId) -> Response:
    """Show a case without a lease on it. 403 if the reader speaks in it, or reported it."""
    with desk.database.read() as connection:
        duty.check_party(connection, reading.case(connection, case), session.account.name)
    values = shown(desk, case)
    with desk.database.write() as connection:
        audit.append(connection, desk.clock(), session.account.name, "case.view", case)
    if request.headers.get("hx-request") == "true":
        return page(request, "case.html", **values)
    asked = Asked()
    with desk.database.read() as connection:
        values |= around(desk, connection, session, asked)
    return page(request, "queue.html", **listing(desk, session, asked, None), **values)


@router.get("/{case}/clip", response_class=Response)
def case_clip(
    desk: TheDesk,
    session: Signed,
    case: CaseId,
    speed: Annotated[Literal["0.75", "1", "1.25", "1.5", "2"], Query()] = "1",
) -> Response:
    """Return the clip (Ogg Opus) at a speed, with the same pitch. The audit log records every request.

    403 if the reader speaks in the case, or reported it.
    """
    with desk.database.read() as connection:
        duty.check_party(connection, reading.case(connection, case), session.account.name)
        clips = reading.evidence(connection, case)
    data = desk.evidence.get(clips[0].path) if clips else None
    if data is None:
        raise Refused(404, "The audio of this case is no longer kept.", "no_clip")
    with desk.database.write() as connection:
        audit.append(connection, desk.clock(), session.account.name, "case.play", case, {"speed": speed})
    return Response(data if speed == "1" else _stretched(data, float(speed)), media_type="audio/ogg")


@router.get("/{case}/proposal", response_class=HTMLResponse)
def propose_measure(request: Request, desk: TheDesk, case: CaseId, label: WordQuery = "") -> Response:
    """Show the measure that the ladder proposes if the case gets another label."""
    with desk.database.read() as connection:
        found = reading.case(connection, case)
        relabelled = replace(found, label=label or found.label, severity=_severity(desk, found, label))
        proposal = desk.measures.propose(connection, relabelled, desk.clock())
    return page(request, "proposed.html", case=found, **proposed(desk, found, proposal))


def shown(desk: Desk, case: str, lease: Lease | None = None) -> dict[str, Any]:
    """Return the values for `case.html`. With a `lease` of the reader, the page has the form for a decision."""
    with desk.database.read() as connection:
        found, reported = view(connection, case), reports.of_case(connection, case)
        enforced = enforcements.of_case(connection, case)
        proposal = desk.measures.propose(connection, found.case, desk.clock())
        offers = phrases.offered(connection, case, desk.clock())
    picture = outline(desk.evidence, found.clip) if found.clip else None
    return {
        "view": found,
        "case": found.case,
        "lease": lease,
        "reports": reported,
        "enforced": enforced,
        "case_id": case,
        "offers": offers,
        **proposed(desk, found.case, proposal),
        "outline": picture,
        "marks": marks(found) if picture else {},
        "labels": list(desk.labels.labels),
        "reasons": REASONS,
        "desk_labels": desk.labels.labels,
    }


def proposed(desk: Desk, case: Case, proposal: Proposal | None) -> dict[str, Any]:
    """Return the values for `proposed.html` and `strikes.html`."""
    return {
        "proposal": proposal,
        "strikes": len(proposal.earlier) if proposal else 0,
        "strike_days": desk.measures.days,
        "measure_choices": desk.measures.choices,
        "notice_language": notices.language_of(case.language),
    }


def marks(found: PageView) -> dict[str, Any]:
    """Return the places of the flagged part and of the hits in the clip.

    Boxes are (left, width) in units of the outline. `span` and `seconds` are seconds of the clip. A hit after the end
    of the clip has no box. The result is empty if there is no clip.
    """
    clip, case = found.clip, found.case
    if clip is None or not clip.seconds:
        return {}
    first, last = _span(found, case.start, case.end, clip.seconds)
    scale = WIDTH / clip.seconds
    hits = [
        _span(found, hit.start_time, hit.end_time, clip.seconds)
        for flag in found.file.flags
        for hit in flag.hits
        if hit.start_time is not None and hit.end_time is not None and found.offset(hit.start_time) is not None
    ]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "seconds": clip.seconds,
        "span": (first, last),
        "span_box": (first * scale, (last - first) * scale),
        "hit_boxes": [(start * scale, max(2.0, (end - start) * scale)) for start, end in hits],
    }


def _severity(desk: Desk, case: Case, label: str) -> int:
    return desk.labels.severity(label) if label in desk.labels.labels else case.severity


def _span(found: PageView, start: float, end: float, seconds: float) -> tuple[float, float]:
    first = found.offset(start)
    last = found.offset(end)
    return (0.0 if first is None else first), (seconds if last is None else last)


@lru_cache(maxsize=32)
def _stretched(data: bytes, speed: float) -> bytes:
    return sound.stretched(data, speed)
