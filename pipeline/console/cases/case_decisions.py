"""Decisions: decide one case or similar ones, undo, correct a decision, and mute the phrase that led to a case."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.base.errors import CaseError, ConfigError, Missing, Stale
from pipeline.console.access_table import allowed
from pipeline.console.cases.case_assignment import with_event
from pipeline.console.cases.case_page import case_values
from pipeline.console.console_metrics import count_decisions, first_reviews
from pipeline.console.fields import NO_CONTROL, IdForm, NoteForm, WordForm
from pipeline.console.rendering import explain, page, redirected
from pipeline.console.services import Services, Signed, TheCase, TheServices
from pipeline.contract.messages import Decision, Verdict
from pipeline.review.cases import case_queue, correcting, deciding, leases, phrase_muting, reading
from pipeline.review.cases.case_queue import Likeness
from pipeline.review.cases.case_values import REASONS, Case, Choice
from pipeline.review.cases.phrase_muting import MutedPhrase

router = APIRouter()

MOST_ALIKE = 200  # the most cases that one click decides
SAMPLES = 3  # similar cases that the page shows before the click

VersionForm = Annotated[int, Form(ge=1, le=2**31 - 1)]
ActionForm = Annotated[
    str,
    Form(
        pattern="^(|warn|close_room|(mute|remove)(:[1-9][0-9]{0,7})?)$",
        description="The action, and its duration in seconds: mute:3600. It counts only with the verdict uphold.",
    ),
]
TermForm = Annotated[str, Form(min_length=1, max_length=512, pattern=NO_CONTROL)]


@router.post("/cases/{case}/decision", response_class=HTMLResponse)
def decide_case(
    request: Request,
    services: TheServices,
    session: Signed,
    case: TheCase,
    verdict: Annotated[Verdict, Form()],
    lease: IdForm,
    version: VersionForm,
    label: WordForm = "",
    reason: WordForm = "",
    note: NoteForm = "",
    action: ActionForm = "",
) -> Response:
    """Decide a case. 409 if the lease or the version is old; the page keeps the text that the person typed."""
    choice, name, now = (
        choice_of(services, verdict, label, reason, note, action),
        session.account.name,
        services.clock(),
    )
    console = services.settings.console
    try:
        with services.database.write() as connection:
            # The lease ended with the decision, so it is not asked for again.
            if again := deciding.made_before(connection, case, name, choice):
                return _decided(request, services, [again])
            # The lease is valid, but an old page may send it for a case that the person has left.
            if leases.check_lease(connection, lease, name).case_id != case:
                raise Stale("The lease belongs to another case", "Open this case again.", text="lease_lost")
            made = deciding.decide(
                connection,
                case,
                name,
                choice,
                now,
                version=version,
                undo_seconds=console.undo_seconds,
                measures=services.measures,
            )
            # Read before the commit: afterwards, another request may have changed the case.
            first = first_reviews(connection, [made])
            offers = phrase_muting.offered(connection, reading.case(connection, case), now)
    except Missing:  # a CaseError, too, but there is no case to show
        raise
    except CaseError as error:
        return _conflict(request, services, case, name, error)
    count_decisions(services, [made], first)  # after the commit, because a counter cannot take a decision back
    return _decided(request, services, [made], offers)


@router.get("/cases/{case}/like", response_class=HTMLResponse)
def similar_cases(
    request: Request,
    services: TheServices,
    session: Signed,
    case: TheCase,
    by: Annotated[Likeness, Query()] = "speaker",
) -> Response:
    """Show the number of open cases that are similar to this one, and three of them."""
    with services.database.read() as connection:
        this = reading.case(connection, case)
        found = case_queue.like(connection, this, by, session.account.name, services.clock(), MOST_ALIKE)
        heard = {one.id for one in found[:SAMPLES] if reading.evidence(connection, one.id)}
    return page(
        request,
        "similar.html",
        case=this,
        found=found,
        samples=found[:SAMPLES],
        by=by,
        seen=_hash_of(found),
        heard=heard,
        reasons=REASONS,
    )


@router.post("/cases/{case}/like", response_class=HTMLResponse)
def decide_similar(
    request: Request,
    services: TheServices,
    session: Signed,
    case: TheCase,
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
        # The person decides only cases that the page has counted: a new one may have arrived since.
        if _hash_of(found) != seen:
            raise Stale("The similar cases have changed", "Look at them again, then decide.", text="like_changed")
        window = services.settings.console.undo_seconds
        made = deciding.decide_all(connection, found, name, choice, now, window, services.measures)
        first = first_reviews(connection, made)
    count_decisions(services, made, first)
    return _decided(request, services, made)


@router.post("/undo", response_class=HTMLResponse)
def undo_decision(request: Request, services: TheServices, session: Signed) -> Response:
    """Undo the last decision and all decisions that were made with it. 409 if the undo window is over.

    The answer offers the decision before, if its window is still open.
    """
    name, now, window = session.account.name, services.clock(), services.settings.console.undo_seconds
    with services.database.write() as connection:
        last = deciding.last_of(connection, name, now - window)
        if not last:
            raise CaseError(
                "There is nothing to undo", "A lead can still correct an older decision.", text="nothing_to_undo"
            )
        deciding.undo_all(connection, last, name, now, window)
        made = deciding.last_of(connection, name, now - window)
    services.metrics.decisions_undone.inc(len(last))
    seconds = made[0].at + window - now if made else 0
    answer = page(request, "undone.html", count=len(last), made=made, seconds=seconds, offers=())
    return with_event(answer, "undone", [one.case for one in last])


@router.post("/cases/{case}/correct", status_code=204)
def correct_case(
    services: TheServices,
    session: Signed,
    case: TheCase,
    verdict: Annotated[Literal["uphold", "dismiss"], Form()],
    version: VersionForm,
    reason: WordForm,
    label: WordForm = "",
    note: NoteForm = "",
    action: ActionForm = "",
) -> Response:
    """Replace the decision of a case, with a reason. 409 if the case has changed or has an open appeal."""
    choice = choice_of(services, verdict, label, reason, note, action)
    undo_seconds = services.settings.console.undo_seconds
    with services.database.write() as connection:
        made = correcting.correct(
            connection,
            case,
            session.account.name,
            choice,
            services.clock(),
            version=version,
            undo_seconds=undo_seconds,
            measures=services.measures,
        )
        first = first_reviews(connection, [made])
    count_decisions(services, [made], first)
    return redirected(f"/cases/{case}")


@router.post("/cases/{case}/reopen", status_code=204)
def reopen_case(
    services: TheServices, session: Signed, case: TheCase, version: VersionForm, reason: WordForm
) -> Response:
    """Take the decision of a case back, with a reason, and put the case into the queue. 409 as for a correction."""
    choice_of(services, "dismiss", "", reason, "", "")  # only checks the reason
    order = case_queue.ranking_of(services.labels, services.settings)
    with services.database.write() as connection:
        correcting.reopen_case(
            connection, case, session.account.name, reason, services.clock(), version=version, ranking=order
        )
    return redirected(f"/cases/{case}")


@router.post("/cases/{case}/mute", response_class=HTMLResponse)
def mute_phrase(
    request: Request, services: TheServices, session: Signed, case: TheCase, label: WordForm, term: TermForm
) -> Response:
    """Mute a phrase of a dismissed case in its room. A moderator asks, and a lead mutes at once."""
    account, now = session.account, services.clock()
    with services.database.write() as connection:
        approve = allowed("approve_phrase", account.role)
        phrase_muting.ask_to_mute(connection, case, label, term, account.name, now, approve=approve)
        offers = phrase_muting.offered(connection, reading.case(connection, case), now)
    return page(request, "mute_offer.html", case_id=case, offers=offers)


def choice_of(services: Services, verdict: Verdict, label: str, reason: str, note: str, action: str) -> Choice:
    """Return the choice of a form. Raises CaseError for an unknown label or reason."""
    if label:
        try:
            services.labels.check([label], "label")
        except ConfigError as error:
            raise CaseError(error.what, error.remedy, text=error.text) from error
    if reason and reason not in REASONS:
        raise CaseError(f"Unknown reason {reason}", f"Use one of: {', '.join(REASONS)}.", text="reason")
    # A form also sends the action when its verdict is not "uphold". Only a violation has one.
    kind, _, seconds = action.partition(":") if verdict == "uphold" else ("", "", "")
    given: dict[str, Any] = {"label": label or None, "action": kind or None}
    return Choice(
        verdict=verdict, reason=reason, note=note, duration_seconds=float(seconds) if seconds else None, **given
    )


def _decided(
    request: Request,
    services: Services,
    made: list[Decision],
    offers: Sequence[tuple[str, str, MutedPhrase | None]] = (),
) -> Response:
    """Tell what was decided. `offers` are the phrases that a lead could mute now."""
    seconds, cases = services.settings.console.undo_seconds, [one.case for one in made]
    answer = page(request, "decided.html", made=made, seconds=seconds, offers=offers, case_id=cases[0] if cases else "")
    return with_event(answer, "decided", cases, made[0].verdict if made else "")


def _conflict(request: Request, services: Services, case: str, name: str, error: CaseError) -> Response:
    """Answer 409 with the reason: the case is `decided`, `held` by another one, `free`, or it `changed`."""
    values = case_values(services, case)
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


def _hash_of(cases: list[Case]) -> str:
    """Return a hash of the cases and their versions. It changes when one of them changes."""
    return sha256(" ".join(sorted(f"{case.id}/{case.version}" for case in cases)).encode()).hexdigest()
