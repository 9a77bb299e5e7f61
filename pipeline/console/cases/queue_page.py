"""The page of the queue: open cases, the next pages of the list, live updates, and saved views of queue and search."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.base.errors import CaseError
from pipeline.console.cases.marked_text import TextPiece, excerpt
from pipeline.console.fields import NO_CONTROL, NameQuery
from pipeline.console.rendering import explain, page, redirected
from pipeline.console.services import Services, Signed, TheServices, load_of
from pipeline.judge.labels import SEVERITIES
from pipeline.review.accounts import wellness
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.accounts.wellness import Meter
from pipeline.review.cases import assigning, case_queue, eligibility, leases, speaker_measures
from pipeline.review.cases.case_queue import QueueFilter
from pipeline.review.cases.case_values import Case, Place
from pipeline.review.search import views
from pipeline.review.search.views import SavedView, ViewPage

router = APIRouter()

COUNTED = 1_000  # the page counts open cases up to this number
NOBODY: Mapping[str, Any] = MappingProxyType({})

SuggestionQuery = Annotated[str, Query(pattern="^(|pass|review|block)$")]
StatusQuery = Annotated[str, Query(pattern="^(|pending|escalated)$")]
SeverityQuery = Annotated[str, Query(pattern="^(|low|medium|high|critical)$")]
ViewQuery = Annotated[str, Query(pattern="^(|mine|unassigned|escalated)$")]
ViewId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$")]
ViewName = Annotated[str, Form(max_length=64, pattern=NO_CONTROL)]
QueryString = Annotated[str, Form(max_length=4_000, pattern=r"^[!-~]*$")]
Shared = Annotated[bool, Form()]


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters that a request asks for. An empty field selects all cases."""

    label: NameQuery = ""
    language: NameQuery = ""
    room: NameQuery = ""
    speaker: NameQuery = ""
    suggestion: SuggestionQuery = ""
    policy: NameQuery = ""
    status: StatusQuery = ""
    severity: SeverityQuery = ""
    assigned: NameQuery = ""
    view: ViewQuery = ""

    @property
    def given(self) -> dict[str, str]:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in fields.items() if value}

    @property
    def query(self) -> str:
        """The filters as the query of a URL, with its question mark; empty without a filter."""
        return "?" + urlencode(self.given) if self.given else ""

    def but(self, name: str) -> str:
        """Return the URL of the queue without the filter `name`."""
        rest = {key: value for key, value in self.given.items() if key != name}
        return "/queue?" + urlencode(rest) if rest else "/queue"

    @property
    def wanted(self) -> QueueFilter:
        severity = SEVERITIES.index(self.severity) if self.severity else None
        return msgspec.convert(self.given | {"severity": severity}, QueueFilter)


class QueueRow(Struct, frozen=True):
    """A row of the list."""

    case: Case
    pieces: tuple[TextPiece, ...]
    strikes: int
    holder: str
    """The account that holds the case; empty if nobody does."""
    owner: str
    """The account that the case is assigned to; empty if it is nobody."""


@router.get("/")
def home() -> Response:
    """Go to the queue."""
    return RedirectResponse("/queue", 303)


async def _asked(**given: Any) -> Asked:
    return Asked(**given)


# FastAPI calls a class in a thread, but a coroutine at once. It reads the fields from the signature.
_asked.__signature__ = inspect.signature(Asked)  # type: ignore[attr-defined]

Filters = Annotated[Asked, Depends(_asked)]


@router.get("/queue", response_class=HTMLResponse)
def queue_page(request: Request, services: TheServices, session: Signed, asked: Filters) -> Response:
    """Show the queue with its filters."""
    with services.database.read() as connection:
        values = queue_values(services, connection, session, asked)
    return page(request, "queue.html", **values)


@router.get("/queue/rows", response_class=HTMLResponse)
def queue_rows(
    request: Request,
    services: TheServices,
    session: Signed,
    asked: Filters,
    rank: Annotated[int | None, Query(ge=0, le=4)] = None,
    due: Annotated[float, Query(ge=0, le=1e12)] = 0.0,
    after: Annotated[str, Query(max_length=64, pattern=r"^[0-9a-f-]*$")] = "",
) -> Response:
    """Return the rows after the case with this rank, deadline and id; without them, the first rows."""
    place = (rank, due, after) if rank is not None else None
    with services.database.read() as connection:
        values = rows_values(services, connection, wanted_by(services, connection, session, asked), asked, place)
    return page(request, "queue_rows.html", asked=asked, **values)


@router.get("/queue/live", response_class=StreamingResponse)
async def queue_live(request: Request, session: Signed) -> Response:
    """Stream server-sent events about cases that arrive, are assigned, are taken or are decided."""
    return StreamingResponse(request.app.state.live.events(session.account.name), media_type="text/event-stream")


@router.get("/views")
def list_views(services: TheServices, session: Signed) -> list[dict[str, str]]:
    """Return the saved views of queue and search for the command palette: names and addresses."""
    with services.database.read() as connection:
        found = [view for of in get_args(ViewPage) for view in views.visible(connection, session.account.name, of)]
    return [{"name": view.name, "href": view.href} for view in found]


@router.post("/views", status_code=204)
def save_view(
    request: Request,
    services: TheServices,
    session: Signed,
    page: Annotated[ViewPage, Form()],
    name: ViewName = "",
    query: QueryString = "",
    shared: Shared = False,
) -> Response:
    """Save a search or a filter of the queue under a name."""
    account, now = session.account.name, services.clock()
    return _changed_view(
        request,
        services,
        "new",
        name,
        lambda connection: views.save_view(connection, account, name, page, query, shared, now),
    )


@router.post("/views/{view}", status_code=204)
def change_view(
    request: Request,
    services: TheServices,
    session: Signed,
    view: ViewId,
    name: ViewName = "",
    shared: Shared = False,
) -> Response:
    """Rename a view of one's own, and share it with the team or not."""
    account = session.account.name
    return _changed_view(
        request,
        services,
        view,
        name,
        lambda connection: views.change_view(connection, view, account, name, shared),
    )


@router.post("/views/{view}/delete", status_code=204)
def delete_view(
    request: Request, services: TheServices, session: Signed, view: ViewId, name: ViewName = ""
) -> Response:
    """Delete a view of one's own."""
    account = session.account.name
    return _changed_view(request, services, view, name, lambda connection: views.remove_view(connection, view, account))


def wanted_by(
    services: Services, connection: Connection, session: LoginSession, asked: Asked, load: Meter | None = None
) -> QueueFilter:
    """Return the request's filter without the cases that this person does not get.

    They do not get checks of their own decisions, labels that they excluded, and severe cases above their limit.
    They also do not get cases outside their skills, or reserved for another person. `load` is theirs, if it is known.
    """
    name, now = session.account.name, services.clock()
    return msgspec.structs.replace(
        asked.wanted,
        without=wellness.without(connection, name, load or load_of(services, connection, session), now),
        eligibility=eligibility.eligibility_of(connection, name, now),
    )


def queue_values(services: Services, connection: Connection, session: LoginSession, asked: Asked) -> dict[str, Any]:
    """Return the values for `queue.html`: the first rows, the counts, the filters and the saved views."""
    wanted = wanted_by(services, connection, session, asked)
    values = rows_values(services, connection, wanted, asked, None)
    total, late = _counts(connection, wanted, values, services.clock())
    choices = case_queue.choices(connection) | {"status": ["pending", "escalated"], "severity": SEVERITIES[::-1]}
    saved = views.visible(connection, session.account.name, "queue")
    counts = {"total": _up_to(total), "late": _up_to(late)}
    return values | counts | {"asked": asked, "choices": choices, "views": saved}


def rows_values(
    services: Services, connection: Connection, wanted: QueueFilter, asked: Asked, after: Place | None
) -> dict[str, Any]:
    """Return the values for `queue_rows.html`. `after` is the place of the last case on the page before."""
    cases, last = _page(services, connection, wanted, after)
    found = speaker_measures.count_strikes(
        connection, {case.speaker for case in cases}, services.measures.since(services.clock())
    )
    holders = leases.holders(connection, services.clock())
    owners = assigning.owners(connection, [case.id for case in cases])
    more = ""
    if last:
        # The place of the last row, not a number of rows: cases come and go while a person scrolls. `repr` keeps all
        # digits of the deadline, so that no row is skipped or shown twice.
        rank, due, after_id = last.place
        more = "/queue/rows?" + urlencode(asked.given | {"rank": rank, "due": repr(due), "after": after_id})
    return {"rows": rows_of(cases, found, holders, owners), "more": more}


def rows_of(
    cases: Sequence[Case],
    strikes: Mapping[str, int] = NOBODY,
    holders: Mapping[str, str] = NOBODY,
    owners: Mapping[str, str] = NOBODY,
) -> list[QueueRow]:
    """Return the rows of cases. `strikes` is by speaker, `holders` and `owners` are by case id."""
    return [
        QueueRow(case, excerpt(case), strikes.get(case.speaker, 0), holders.get(case.id, ""), owners.get(case.id, ""))
        for case in cases
    ]


def _changed_view(
    request: Request, services: Services, of: str, name: str, change: Callable[[Connection], SavedView]
) -> Response:
    """Change a view, and let the page, which sent a form by htmx, go to it.

    422 with the field of the name, and the reason beside it, for the form of the view `of`; `new` is the form that
    saves one.
    """
    try:
        with services.database.write() as connection:
            view = change(connection)
    except CaseError as error:
        answer = page(request, "view_name.html", 422, of=of, name=name, wrong={f"name-{of}": explain(request, error)})
        answer.headers.update({"HX-Retarget": f"#name-{of}", "HX-Reswap": "outerHTML"})
        return answer
    return redirected(view.href)


def _counts(connection: Connection, wanted: QueueFilter, values: dict[str, Any], now: float) -> tuple[int, int]:
    """Return how many cases wait, and how many of them are late, both up to COUNTED. `values` has the first rows."""
    if values["more"]:  # otherwise the first page has all rows, and needs no second query
        return case_queue.counts(connection, wanted, now, COUNTED)
    return len(values["rows"]), sum(row.case.due_at < now for row in values["rows"])


def _up_to(count: int) -> str:
    return f"{COUNTED:,}+" if count == COUNTED else str(count)


def _page(
    services: Services, connection: Connection, wanted: QueueFilter, after: Place | None
) -> tuple[list[Case], Case | None]:
    """Return a page of cases, and the last of it if there may be more.

    Without a view, the first page begins with the cases that are assigned to the person. Only child safety comes before
    them.
    """
    if wanted.view == "escalated":
        found = case_queue.list_escalated(connection, wanted, after, case_queue.PAGE)
        return found, found[-1] if len(found) == case_queue.PAGE else None
    mine: list[Case] = []
    if wanted.view is None and wanted.assigned is None:
        if after is None and wanted.eligibility and eligibility.has_assigned(connection, wanted.eligibility.account):
            mine = case_queue.list_queue(
                connection, msgspec.structs.replace(wanted, view="mine"), limit=assigning.MOST_ASSIGNED
            )
        # The own cases come first, so the list below leaves them out.
        wanted = msgspec.structs.replace(wanted, view="others")
    found = case_queue.list_queue(connection, wanted, after, case_queue.PAGE)
    shown = sorted([*mine, *found], key=lambda case: case.rank > case_queue.CHILD_SAFETY_RANK)
    return shown, found[-1] if len(found) == case_queue.PAGE else None
