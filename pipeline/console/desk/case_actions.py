"""Endpoints with which moderators act on cases: take, renew, skip, decide one or many, undo."""

import json
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import Connection

from pipeline.base.errors import CaseError, ConfigError, Missing, Stale, Taken
from pipeline.console import console_metrics
from pipeline.console.desk.case_page import shown
from pipeline.console.desk.decision_choices import REASONS
from pipeline.console.desk.queue_page import Filters, wanted_by
from pipeline.console.fields import CaseId, IdForm, NoteForm, WordForm
from pipeline.console.pages import explain, language_of, page
from pipeline.console.services import Services, Signed, TheServices, services_of
from pipeline.contract.messages import Decision, Verdict
from pipeline.review import audit_log
from pipeline.review.accounts import wellness
from pipeline.review.cases import case_queue, deciding, eligibility, leases, phrase_muting, reading
from pipeline.review.cases.case_queue import Likeness
from pipeline.review.cases.values import Case, Choice

router = APIRouter()

MOST_ALIKE = 200
SAMPLES = 3
TRIES = 20
"""Tries to find a free case while other moderators take cases, too."""

VersionForm = Annotated[int, Form(ge=1, le=2**31 - 1)]
ActionForm = Annotated[
    str,
    Form(
        pattern="^(|warn|close_room|(mute|remove)(:[1-9][0-9]{0,7})?)$",
        description="The action, and its duration in seconds: mute:3600. It counts only with the verdict uphold.",
    ),
]


@router.post("/cases/{case}/open", response_class=HTMLResponse)
def open_case(
    request: Request,
    services: TheServices,
    session: Signed,
    case: CaseId,
    leaving: IdForm = "",
    instead: Annotated[Literal["", "yes"], Form()] = "",
) -> Response:
    """Take the case and show it. If another moderator holds it, show it without the form for a decision.

    `leaving` is the lease that the page has, so that it moves on to this case. A person holds one case. If they hold
    another one in another tab, the case is shown without the form, unless they want it `instead`. 403 if the
    moderator speaks in the case, or reported it.
    """
    name, now = session.account.name, services.clock()
    with services.database.write() as connection:
        eligibility.check_party(connection, reading.case(connection, case), name)
        other = leases.held_by(connection, name, now)
        elsewhere = other is not None and other.case_id != case and other.id != leaving and not instead
        try:
            if elsewhere:
                lease, refused = None, _say(request, "desk.elsewhere")
            else:
                wellness.allow(connection, name, session.account.preferences.comfort, now)
                lease, refused = leases.claim(connection, case, name, now, services.settings.console.lease_seconds), ""
        except Missing:
            raise
        except CaseError as error:
            lease, refused = None, explain(request, error)
        if lease is None:
            wellness.end_break(connection, name, now)
            audit_log.append(connection, now, name, "case.view", case)
    return page(request, "case.html", refused=refused, **shown(services, case, lease, elsewhere))


@router.post("/next", response_class=HTMLResponse)
def open_next(request: Request, services: TheServices, session: Signed, asked: Filters) -> Response:
    """Take the most urgent free case and show it. Return an empty page if there is none."""
    for _ in range(TRIES):
        try:
            with services.database.write() as connection:
                wellness.allow(connection, session.account.name, session.account.preferences.comfort, services.clock())
                wanted = wanted_by(services, connection, session, asked)
                case = case_queue.next_free(connection, session.account.name, services.clock(), wanted)
                if case is None:
                    break
                lease = leases.claim(
                    connection, case, session.account.name, services.clock(), services.settings.console.lease_seconds
                )
            return page(request, "case.html", **shown(services, case, lease))
        except Taken:
            continue
    return page(request, "empty.html")


@router.post("/cases/{case}/retake", response_class=HTMLResponse)
def retake_case(request: Request, services: TheServices, session: Signed, case: CaseId) -> Response:
    """Take a case again after a conflict. The page gets the new lease and keeps the version that the person saw."""
    with services.database.write() as connection:
        lease = leases.claim(
            connection, case, session.account.name, services.clock(), services.settings.console.lease_seconds
        )
    return _with_event(page(request, "retaken.html", lease=lease), "retaken", [case])


@router.post("/leases/{lease}/renew")
def renew_lease(
    services: TheServices,
    session: Signed,
    lease: Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]+$")],
    case: IdForm = "",
) -> Response:
    """Extend the lease on a case. 409 if it ended; the answer names the moderator who has the `case` now, if any.

    A lease also ends when it has reached its longest time.
    """
    name, now, console = session.account.name, services.clock(), services.settings.console
    try:
        with services.database.write() as connection:
            held = leases.renew(connection, lease, name, now, console.lease_seconds, console.longest_lease_seconds)
    except Stale:
        with services.database.read() as connection:
            holder = leases.holders(connection, now).get(case, "")
        return JSONResponse({"holder": "" if holder == name else holder}, 409)
    return JSONResponse({"expires_at": held.expires_at, "seconds": held.expires_at - now})


@router.post("/cases/{case}/skip", response_class=HTMLResponse)
def skip_case(
    request: Request, services: TheServices, session: Signed, case: CaseId, lease: IdForm = "", reason: WordForm = ""
) -> Response:
    """Release the lease on a case without a decision."""
    name = session.account.name
    with services.database.write() as connection:
        reading.case(connection, case)
        leases.release_lease(connection, lease, name)
        audit_log.append(connection, services.clock(), name, "case.skip", case, {"reason": reason})
    return _with_event(page(request, "skipped.html"), "skipped", [case])


@router.post("/cases/{case}/decision", response_class=HTMLResponse)
def decide_case(
    request: Request,
    services: TheServices,
    session: Signed,
    case: CaseId,
    verdict: Annotated[Verdict, Form()],
    lease: IdForm,
    version: VersionForm,
    label: WordForm = "",
    reason: WordForm = "",
    note: NoteForm = "",
    action: ActionForm = "",
) -> Response:
    """Decide a case. 409 if the lease or the version is old; the page keeps the text that the person typed."""
    choice = choice_of(services, verdict, label, reason, note, action)
    try:
        with services.database.write() as connection:
            if leases.check_lease(connection, lease, session.account.name).case_id != case:
                raise Stale("The lease belongs to another case", "Open this case again.", text="lease_lost")
            made = _decide(services, connection, case, session.account.name, choice, version, services.clock())
    except Missing:
        raise
    except CaseError as error:
        return _conflict(request, services, case, session.account.name, error)
    return _decided(request, services, [made])


@router.get("/cases/{case}/like", response_class=HTMLResponse)
def like_cases(
    request: Request, services: TheServices, session: Signed, case: CaseId, by: Annotated[Likeness, Query()] = "speaker"
) -> Response:
    """Show the number of open cases that are similar to this one, and three of them."""
    with services.database.read() as connection:
        this = reading.case(connection, case)
        eligibility.check_party(connection, this, session.account.name)
        found = case_queue.like(connection, this, by, session.account.name, services.clock(), MOST_ALIKE)
        heard = {one.id for one in found[:SAMPLES] if reading.evidence(connection, one.id)}
    return page(
        request,
        "like.html",
        case=this,
        found=found,
        samples=found[:SAMPLES],
        by=by,
        seen=_stamp(found),
        heard=heard,
        reasons=REASONS,
    )


@router.post("/cases/{case}/like", response_class=HTMLResponse)
def decide_like(
    request: Request,
    services: TheServices,
    session: Signed,
    case: CaseId,
    verdict: Annotated[Verdict, Form()],
    by: Annotated[Likeness, Form()],
    seen: IdForm,
    reason: WordForm = "",
    note: NoteForm = "",
) -> Response:
    """Decide all similar cases at once. One undo takes all back, and each case gets its line in the audit log.

    `seen` is a hash of the cases that the page showed. 409 if the similar cases are different now.
    """
    name, now = session.account.name, services.clock()
    choice = choice_of(services, verdict, "", reason, note, "")
    with services.database.write() as connection:
        found = case_queue.like(connection, reading.case(connection, case), by, name, now, MOST_ALIKE)
        if _stamp(found) != seen:
            raise Stale("The similar cases have changed", "Look at them again, then decide.", text="like_changed")
        window = services.settings.console.undo_seconds
        made = deciding.decide_all(connection, found, name, choice, now, window, services.measures)
    return _decided(request, services, made)


@router.post("/undo", response_class=HTMLResponse)
def undo_decision(request: Request, services: TheServices, session: Signed) -> Response:
    """Undo the last decision and all decisions that were made with it. 409 if the undo window is over."""
    name, now, window = session.account.name, services.clock(), services.settings.console.undo_seconds
    with services.database.write() as connection:
        last = deciding.last_of(connection, name, now - window)
        if not last:
            raise CaseError(
                "There is nothing to undo", "A lead can still correct an older decision.", text="nothing_to_undo"
            )
        deciding.undo_all(connection, last, name, now, window)
    services.metrics.decisions_undone.inc(len(last))
    return _with_event(page(request, "undone.html", count=len(last)), "undone", [one.case for one in last])


def _stamp(cases: list[Case]) -> str:
    """Return a hash of the cases and their versions. It changes when one of them changes."""
    return sha256(" ".join(sorted(f"{case.id}/{case.version}" for case in cases)).encode()).hexdigest()


def choice_of(services: Services, verdict: Verdict, label: str, reason: str, note: str, action: str) -> Choice:
    """Return the choice of a form. Raises CaseError for an unknown label or reason."""
    if label:
        try:
            services.labels.check([label], "label")
        except ConfigError as error:
            raise CaseError(error.what, error.remedy, text=error.text) from error
    if reason and reason not in REASONS:
        raise CaseError(f"Unknown reason {reason}", f"Use one of: {', '.join(REASONS)}.", text="reason")
    kind, _, seconds = action.partition(":") if verdict == "uphold" else ("", "", "")
    given: dict[str, Any] = {"label": label or None, "action": kind or None}
    return Choice(
        verdict=verdict, reason=reason, note=note, duration_seconds=float(seconds) if seconds else None, **given
    )


def _decide(
    services: Services, connection: Connection, case: str, name: str, choice: Choice, version: int, now: float
) -> Decision:
    window = services.settings.console.undo_seconds
    return deciding.decide(
        connection, case, name, choice, now, version=version, undo_seconds=window, measures=services.measures
    )


def _decided(request: Request, services: Services, made: list[Decision]) -> Response:
    seconds = services.settings.console.undo_seconds
    console_metrics.decided(services, made)
    answer = page(request, "decided.html", made=made, seconds=seconds, **_offers(services, made))
    return _with_event(answer, "decided", [one.case for one in made], made[0].verdict if made else "")


def _offers(services: Services, made: list[Decision]) -> dict[str, Any]:
    """Return the values for `mute_offer.html`: what a lead could mute after the dismissal of one case."""
    if len(made) != 1 or made[0].verdict != "dismiss":
        return {"offers": []}
    with services.database.read() as connection:
        return {"case_id": made[0].case, "offers": phrase_muting.offered(connection, made[0].case, services.clock())}


def _conflict(request: Request, services: Services, case: str, name: str, error: CaseError) -> Response:
    """Answer 409 with the reason: the case is `decided`, `held` by another one, `free`, or it `changed`."""
    values = shown(services, case)
    found, lease = values["view"], values["view"].lease
    holder = lease.account if lease and lease.expires_at > services.clock() else ""
    state = "refused"
    if found.case.status == "decided":
        state, holder = "decided", values["decided_by"].moderator
    elif holder and holder != name:
        state = "held"
    elif isinstance(error, Stale):
        state = "changed" if holder else "free"
    return page(request, "conflict.html", 409, error=explain(request, error), state=state, holder=holder, **values)


def _say(request: Request, key: str) -> str:
    return services_of(request).texts.say(language_of(request), key)


def _with_event(response: Response, event: str, cases: list[str], verdict: str = "") -> Response:
    """Add htmx's header HX-Trigger, so that the page's script gets `event` with the case ids and the verdict."""
    response.headers["HX-Trigger"] = json.dumps({event: {"cases": cases} | ({"verdict": verdict} if verdict else {})})
    return response
