"""The team's page: open cases against their targets, who works on them, muted phrases; and the page of skills."""

from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.errors import AccountError
from pipeline.console.background_figures import Look
from pipeline.console.fields import NameForm, NameQuery
from pipeline.console.rendering import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.accounts import accounts
from pipeline.review.cases import assigning, eligibility, phrase_muting, reading
from pipeline.review.cases.eligibility import CRITICAL, DECIDING, SENIOR, Skills
from pipeline.review.quality import lead_figures
from pipeline.review.quality.lead_figures import MOST, What
from pipeline.review.quality.trends import TeamFigures

router = APIRouter()

NOW = "now"  # the only key of the team's figures

MutedId = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-f-]{1,64}$", description="Id of the muted phrase.")]
LanguageForm = Annotated[str, Form(max_length=16, pattern=r"^[a-z]{2,3}$")]
LabelForm = Annotated[str, Form(max_length=64, pattern=r"^[a-z_]*$")]


@router.get("/team", response_class=HTMLResponse)
async def team_page(request: Request, services: TheServices) -> Response:
    """Show the queue against its targets, the load of each person, and the muted phrases."""
    look = await team_figures(services)
    with services.database.read() as connection:
        muted = phrase_muting.everywhere(connection, services.clock())
    return page(
        request,
        "team.html",
        team=look.kept.value if look.kept else None,
        phrases=muted,
        limits=services.settings.assessment.limits,
    )


@router.get("/team/cases", response_class=HTMLResponse)
def team_cases(
    request: Request,
    services: TheServices,
    what: Annotated[What, Query()],
    severity: Annotated[int | None, Query(ge=0, le=3)] = None,
    account: NameQuery = "",
    label: NameQuery = "",
) -> Response:
    """Show the cases behind a figure."""
    with services.database.read() as connection:
        cases = lead_figures.found(connection, what, services.clock(), severity=severity, account=account, label=label)
    return page(
        request, "team_cases.html", cases=cases, what=what, severity=severity, by=account, label=label, most=MOST
    )


@router.post("/phrases/{muted}/approve")
def approve_phrase(services: TheServices, session: Signed, muted: MutedId) -> Response:
    """Mute the phrase that a moderator asked for."""
    with services.database.write() as connection:
        phrase_muting.approve_mute(connection, muted, session.account.name, services.clock())
    return RedirectResponse("/team#phrases", 303)


@router.post("/phrases/{muted}/end")
def end_phrase(services: TheServices, session: Signed, muted: MutedId) -> Response:
    """End the mute of a phrase, or refuse a wish."""
    with services.database.write() as connection:
        phrase_muting.end_mute(connection, muted, session.account.name, services.clock())
    return RedirectResponse("/team#phrases", 303)


@router.get("/skills", response_class=HTMLResponse)
def skills_page(request: Request, services: TheServices) -> Response:
    """Show the skills of each person."""
    with services.database.read() as connection:
        found = eligibility.all_skills(connection)
        # Only people who decide get cases.
        people = [one for one in accounts.all_accounts(connection) if one.role in DECIDING and not one.disabled]
    return page(
        request,
        "skills.html",
        people=[(one, found[one.name]) for one in people],
        languages_spoken=languages_of(services, found.values()),
        labels=services.labels.labels,
        senior=SENIOR,
    )


@router.get("/skills/desk", response_class=HTMLResponse)
def people_now(request: Request, services: TheServices) -> Response:
    """Show who is at the desk, what each person has, and the open cases that nobody can take."""
    with services.database.read() as connection:
        people = assigning.people(connection, services.clock())
        missing = eligibility.find_uncovered(
            connection, reading.open_groups(connection, services.clock()), services.clock()
        )
    here = sum(one.presence == "here" for one in people)
    return page(request, "people_now.html", people=people, here=here, uncovered=missing)


@router.post("/skills")
def set_skills(
    services: TheServices,
    session: Signed,
    account: NameForm,
    severity: Annotated[int, Form(ge=0, le=CRITICAL)] = CRITICAL,
    escalated: Annotated[Literal["on", "off"], Form()] = "off",
    languages: Annotated[list[LanguageForm], Form(max_length=64)] = [],  # noqa: B006 - FastAPI copies it
    labels: Annotated[list[LabelForm], Form(max_length=64)] = [],  # noqa: B006 - FastAPI copies it
    then: Annotated[Literal["skills", "accounts"], Form()] = "skills",
) -> Response:
    """Set a person's skills, and go back. No language or no label means all. 422 for an unknown account or label."""
    services.labels.check(labels, "labels")
    given = Skills(languages=tuple(languages), labels=tuple(labels), severity=severity, escalated=escalated == "on")
    with services.database.write() as connection:
        found = accounts.find_account(connection, account)
        if found is None or found.role not in DECIDING:
            raise AccountError(
                f"{account} decides no cases", "Choose an account that does.", text="no_moderator", name=account
            )
        eligibility.change_skills(connection, account, given, session.account.name, services.clock())
    return RedirectResponse("/skills" if then == "skills" else account_href(account), 303)


async def team_figures(services: TheServices) -> Look[TeamFigures]:
    """Return the newest figures of the team. The first reader after a pause waits for them."""
    return await services.background.team.wait(NOW, newest=True)


def account_href(name: str) -> str:
    """Return the address of the page of accounts with more of the account `name`."""
    return f"/accounts?{urlencode({'name': name})}#opened"


def languages_of(services: Services, found: Iterable[Skills]) -> list[str]:
    """Return the languages of the settings, and the languages that somebody has."""
    return sorted({*services.settings.asr.languages, *(code for one in found for code in one.languages)})
