"""The pages of drills: schedule, history, results by label and language, and the stop drill (I-28)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, Response
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.assessment import drills
from pipeline.assessment.drills import Drill, DrillKind, LineResult
from pipeline.assessment.options import DAY_SECONDS
from pipeline.assessment.report import wording
from pipeline.base.errors import CaseError, InputError
from pipeline.console.assessment.assessment_pages import assessment_page, go, report_language
from pipeline.console.fields import NO_NUL
from pipeline.console.services import Signed, TheServices
from pipeline.review import audit_log
from pipeline.review.cases import case_queue

router = APIRouter(prefix="/assessment/drills")

MOST = 100  # the most drills in the history, and the most rooms of a stop drill
MAX_ROOM = 256  # the longest name of a room, in characters

DrillId = Annotated[str, Path(pattern="^[a-z0-9-]{1,64}$")]


class Schedule(Struct, frozen=True):
    """When a kind of drill was held, and when the next one is due. Times are UTC seconds."""

    kind: DrillKind
    days: float
    last: float | None
    """None: there was none, so one is due now."""

    @property
    def due(self) -> float:
        return 0.0 if self.last is None else self.last + self.days * DAY_SECONDS


class PastDrill(Struct, frozen=True):
    """A drill of the history, with how many of its lines or test rooms went right."""

    drill: Drill
    right: int
    lines: int


@router.get("", response_class=HTMLResponse)
def drills_page(request: Request, services: TheServices) -> Response:
    """Show when drills are due, how to start one, and the newest drills with their results."""
    with services.database.read() as connection:
        held = [_past(connection, each) for each in drills.all_drills(connection)[:MOST]]
        schedule = _schedule(connection)
    return _show(request, "assessment_drills.html", held=held, schedule=schedule, most=MOST)


@router.get("/{drill}", response_class=HTMLResponse)
def drill_page(request: Request, services: TheServices, drill: DrillId) -> Response:
    """Show one drill: results by language and label, times, each line, and its lines of the audit log."""
    with services.database.read() as connection:
        found, results = drills.get(connection, drill), drills.results(connection, drill)
        lines = audit_log.newest_lines(connection, subject=drill)
    return _show(
        request,
        "assessment_drill.html",
        drill=found,
        results=results,
        cells=drills.cells(results),
        times=drills.times(results),
        right=_right(found, results),
        lines=lines,
    )


@router.post("")
def order_stop(
    request: Request,
    services: TheServices,
    session: Signed,
    rooms: Annotated[str, Form(max_length=MOST * MAX_ROOM, pattern=NO_NUL)],
    sure: Annotated[Literal["yes"], Form()],
) -> Response:
    """Start a stop drill: the app gets the order to close these test rooms, one in each line."""
    del sure  # FastAPI has checked that it is there: rooms are closed only with the box ticked
    with services.database.write() as connection:
        order = case_queue.build_ranking(services.settings)
        made = drills.order_stop(connection, _rooms(rooms), session.account.name, services.clock(), order)
    return go(request, f"/assessment/drills/{made.id}")


@router.post("/{drill}/end")
def end_drill(request: Request, services: TheServices, session: Signed, drill: DrillId) -> Response:
    """Record that a drill has ended. 409 if it has."""
    with services.database.write() as connection:
        if drills.get(connection, drill).ended_at is not None:
            raise CaseError(f"Drill {drill} has ended already", "Nothing was changed.", text="drill_ended")
        drills.end(connection, drill, session.account.name, services.clock())
    return go(request, f"/assessment/drills/{drill}")


def _schedule(connection: Connection) -> list[Schedule]:
    return [Schedule(kind, drills.DUE_DAYS[kind], last) for kind, last in drills.last(connection).items()]


def _past(connection: Connection, drill: Drill) -> PastDrill:
    results = drills.results(connection, drill.id)
    return PastDrill(drill, _right(drill, results), len(results))


def _right(drill: Drill, results: Sequence[LineResult]) -> int:
    return sum(line.acted_at is not None if drill.kind == "stop" else line.right for line in results)


def _rooms(text: str) -> list[str]:
    """Return the rooms of a text, one in each line. Raises InputError for too many or too long names."""
    rooms = [line.strip() for line in text.splitlines() if line.strip()]
    if len(rooms) > MOST or any(len(room) > MAX_ROOM for room in rooms):
        raise InputError(
            f"A stop drill has at most {MOST} rooms with names of at most {MAX_ROOM} characters",
            "Write one room in each line.",
            text="drill_rooms",
        )
    return rooms


def _show(request: Request, template: str, **values: Any) -> HTMLResponse:
    return assessment_page(request, template, names=wording.texts(report_language(request)), **values)
