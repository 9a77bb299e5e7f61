"""The policy studio: the live version, open drafts and their approval, all versions, and shadow policies."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import Connection

from pipeline.console.fields import NO_CONTROL
from pipeline.console.policy.policy_difference import difference, runs
from pipeline.console.rendering import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.judge.policy_release import MAX_SHADOWS, JudgeReport
from pipeline.review.policies import drafts, judge_rules, versions

router = APIRouter(prefix="/policies")

DraftNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
ShaForm = Annotated[str, Form(pattern=r"^[0-9a-f]{64}$")]
VersionNumber = Annotated[int, Path(ge=0, le=2**31 - 1)]
TitleForm = Annotated[str, Form(max_length=200, pattern=NO_CONTROL)]
Mark = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$")]


@router.get("", response_class=HTMLResponse)
def policies_page(request: Request, services: TheServices) -> Response:
    """Show the live version and the judges that use it, open drafts, versions and shadow policies."""
    with services.database.read() as connection:
        values = {
            "drafts": drafts.opened(connection),
            "versions": versions.list_versions(connection),
            "shadows": versions.shadows(connection),
            **live_now(services, connection),
        }
    return page(request, "policies.html", files=services.settings.judge, most_shadows=MAX_SHADOWS, **values)


@router.get("/live", response_class=HTMLResponse)
def policy_judges(request: Request, services: TheServices) -> Response:
    """Show how many judges use the newest release. The page asks again and again."""
    with services.database.read() as connection:
        values = live_now(services, connection)
    return page(request, "policy_judges.html", **values)


@router.get("/versions/{number}", response_class=HTMLResponse)
def policy_version(request: Request, services: TheServices, number: VersionNumber, split: bool = False) -> Response:
    """Show a version, and its difference to the version before it; of the files, to the live version."""
    with services.database.read() as connection:
        version, live = version_of(services, connection, number), versions.live_version(connection)
        before = version_of(services, connection, number - 1) if number else live or version
    rows = difference(before.texts, version.texts)
    values: dict[str, Any] = {"version": version, "before": before, "live": live, "rows": rows, "beside": split}
    return page(request, "policy_version.html", diff_runs=runs, **values)


@router.post("/versions/{number}/rollback")
def roll_back_policy(services: TheServices, session: Signed, number: VersionNumber, title: TitleForm = "") -> Response:
    """Publish the texts of an older version again, at once."""
    with services.database.write() as connection:
        old = version_of(services, connection, number)
        versions.roll_back(connection, old, services.labels, title.strip(), session.account.name, services.clock())
    return RedirectResponse("/policies", 303)


@router.post("/versions/{number}/shadow")
def shadow_version(services: TheServices, session: Signed, number: VersionNumber) -> Response:
    """Run an older version as a shadow policy."""
    with services.database.write() as connection:
        texts = version_of(services, connection, number).texts
        versions.start_shadow(connection, str(number), texts, services.labels, session.account.name, services.clock())
    return RedirectResponse("/policies", 303)


@router.post("/shadows/{mark}/end")
def end_policy_shadow(services: TheServices, session: Signed, mark: Mark) -> Response:
    """End a shadow policy."""
    with services.database.write() as connection:
        versions.end_shadow(connection, mark, session.account.name, services.clock())
    return RedirectResponse("/policies", 303)


@router.post("/drafts/{number}/ask")
def ask_approval(services: TheServices, session: Signed, number: DraftNumber) -> Response:
    """Ask a second person for approval."""
    with services.database.write() as connection:
        drafts.ask(connection, number, session.account.name, services.clock())
    return RedirectResponse(f"/policies/drafts/{number}?view=diff", 303)


@router.post("/drafts/{number}/back")
def send_draft_back(services: TheServices, session: Signed, number: DraftNumber, note: TitleForm = "") -> Response:
    """Take a request for approval back, or refuse it."""
    with services.database.write() as connection:
        drafts.send_back(connection, number, session.account.name, services.clock(), note.strip())
    return RedirectResponse(f"/policies/drafts/{number}", 303)


@router.post("/drafts/{number}/approve")
def approve_draft(
    services: TheServices,
    session: Signed,
    number: DraftNumber,
    seen: ShaForm,
    live: Annotated[int, Form(ge=0, le=2**31 - 1)],
) -> Response:
    """Publish a draft. Nobody who has edited it, or asked for its approval, may do that."""
    with services.database.write() as connection:
        # `seen` and `live`: what the approver has read must still be true.
        drafts.approve(connection, number, seen, live, services.labels, session.account.name, services.clock())
    return RedirectResponse("/policies", 303)


@router.post("/drafts/{number}/drop")
def drop_draft(services: TheServices, session: Signed, number: DraftNumber) -> Response:
    """Give a draft up."""
    with services.database.write() as connection:
        drafts.drop(connection, number, session.account.name, services.clock())
    return RedirectResponse("/policies", 303)


@router.post("/drafts/{number}/shadow")
def shadow_draft(services: TheServices, session: Signed, number: DraftNumber) -> Response:
    """Run the saved texts of a draft as a shadow policy."""
    with services.database.write() as connection:
        draft = drafts.find_draft(connection, number).marked
        versions.start_shadow(
            connection, draft.mark, draft.texts, services.labels, session.account.name, services.clock()
        )
    return RedirectResponse("/policies", 303)


def live_now(services: Services, connection: Connection) -> dict[str, Any]:
    """Return the live version, and which judges use the newest release."""
    live, edition = versions.live_version(connection), versions.edition(connection)
    judges = judge_rules.running_judges(connection, services.clock())
    using = [each for each in judges if each.edition == edition]
    return {"live": live, "edition": edition, "judges": judges, "using": using, "took": _took(connection, live, using)}


def version_of(services: Services, connection: Connection, number: int) -> versions.PublishedPolicy:
    """Return a published version, or the files as version 0. Raises Missing."""
    return (
        versions.find_version(connection, number) if number else versions.from_files(services.settings, services.labels)
    )


def _took(connection: Connection, live: versions.PublishedPolicy | None, using: list[JudgeReport]) -> float | None:
    """Return the seconds until the last judge used the live version; None if that is unknown."""
    if live is None:
        return None
    edition, at = versions.released_at(connection, live.number)
    # `since` is a time of the judge, whose clock may be behind: the result must not be negative.
    since = [each.since for each in using if each.edition == edition and each.since >= at]
    return max(since) - at if since else None
