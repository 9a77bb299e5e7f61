"""The page of skills: which cases each person may get. Leads and admins set them."""

from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.errors import AccountError
from pipeline.console.fields import NameForm
from pipeline.console.pages import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review.accounts import accounts, skills
from pipeline.review.accounts.skills import CRITICAL, DECIDING, SENIOR, Skills
from pipeline.review.cases import assigning, eligibility, reading

router = APIRouter(prefix="/skills")

LanguageForm = Annotated[str, Form(max_length=16, pattern=r"^[a-z]{2,3}$")]
LabelForm = Annotated[str, Form(max_length=64, pattern=r"^[a-z_]*$")]


@router.get("", response_class=HTMLResponse)
def skills_page(request: Request, services: TheServices) -> Response:
    """Show the skills of each person."""
    with services.database.read() as connection:
        found = skills.all_skills(connection)
        people = [one for one in accounts.all_accounts(connection) if one.role in DECIDING and not one.disabled]
    return page(
        request,
        "skills.html",
        people=[(one, found[one.name]) for one in people],
        languages_spoken=languages_of(services, found.values()),
        labels=services.labels.labels,
        senior=SENIOR,
    )


@router.get("/desk", response_class=HTMLResponse)
def desk_people(request: Request, services: TheServices) -> Response:
    """Show who is at the desk, what each person has, and the open cases that nobody can take."""
    with services.database.read() as connection:
        people = assigning.people(connection, services.clock())
        missing = eligibility.find_uncovered(
            connection, reading.open_groups(connection, services.clock()), services.clock()
        )
    here = sum(one.presence == "here" for one in people)
    return page(request, "desk_people.html", people=people, here=here, uncovered=missing)


@router.post("")
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
        skills.change_skills(connection, account, given, session.account.name, services.clock())
    return RedirectResponse("/skills" if then == "skills" else account_href(account), 303)


def account_href(name: str) -> str:
    """Return the address of the page of accounts with more of the account `name`."""
    return f"/accounts?{urlencode({'name': name})}#opened"


def languages_of(services: Services, found: Iterable[Skills]) -> list[str]:
    """Return the languages of the settings, and those that somebody has."""
    return sorted({*services.settings.asr.languages, *(code for one in found for code in one.languages)})
