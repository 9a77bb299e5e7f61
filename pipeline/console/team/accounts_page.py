"""The page of accounts, for admins: invitations, roles, resets, and the tokens of programs."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.base.errors import AccountError
from pipeline.console.fields import DayForm, NameForm, NameQuery
from pipeline.console.rendering import explain, page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.console.team.team_page import account_href, languages_of
from pipeline.review.accounts import accounts, api_tokens, passwords
from pipeline.review.accounts.accounts import Preferences, Role
from pipeline.review.accounts.api_tokens import TokenScope
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.cases import eligibility
from pipeline.review.cases.eligibility import SENIOR

router = APIRouter()

TOKEN_LIFE = timedelta(days=90)  # how long a new token works, unless the admin chooses another day

Language = Annotated[str, Form(max_length=7, pattern=r"^[a-z]*$")]


@router.get("/accounts", response_class=HTMLResponse)
def accounts_page(request: Request, services: TheServices, name: NameQuery = "") -> Response:
    """Show all accounts, and below the one with this name what an admin can do with it."""
    return _page(request, services, name)


@router.post("/accounts", response_class=HTMLResponse)
def invite_account(
    request: Request,
    services: TheServices,
    session: Signed,
    name: NameForm,
    role: Annotated[Role, Form()],
    language: Language = "",
) -> Response:
    """Make an account, and show the link of its invitation once. 422 for a name that is taken or not valid."""
    if language and language not in services.texts.names:
        raise AccountError(
            f"The console has no texts in {language!r}", f"Choose {', '.join(services.texts.names)}.", text="language"
        )
    now = services.clock()
    try:
        with services.database.write() as connection:
            accounts.add_account(connection, name, role, now, session.account.name)
            accounts.store_preferences(connection, name, Preferences(language=language))
            # A link, not a password: then nobody but the person ever knows the password.
            token = accounts.invite(connection, name, now, session.account.name)
    except AccountError as error:
        typed = {"name": name, "role": role, "language": language}
        return _page(request, services, wrong={"name": explain(request, error)}, typed=typed)
    return _page(request, services, name, token)


@router.post("/accounts/reset", response_class=HTMLResponse)
def reset_password(request: Request, services: TheServices, session: Signed, name: NameForm) -> Response:
    """Take the password from an account, sign it out, and show a link to set a new one once."""
    with services.database.write() as connection:
        account = accounts.get_account(connection, name)
        # A password would be a way around the checks of the provider.
        if account.oidc_subject:
            raise AccountError(f"{name} signs in at the OpenID provider", "Reset the password there.", text="provider")
        token = accounts.invite(connection, name, services.clock(), session.account.name)
    return _page(request, services, name, token)


@router.post("/accounts/codes")
def reset_totp(services: TheServices, session: Signed, name: NameForm) -> Response:
    """Remove the one-time codes of an account and its recovery codes, and sign it out."""
    with services.database.write() as connection:
        accounts.change_account(connection, name, services.clock(), session.account.name, totp_secret=None)
        passwords.forget_recovery_codes(connection, name)  # without one-time codes, nobody needs them
    return RedirectResponse(account_href(name), 303)


@router.post("/accounts/role", response_class=HTMLResponse)
def set_role(
    request: Request, services: TheServices, session: Signed, name: NameForm, role: Annotated[Role, Form()]
) -> Response:
    """Change the role of an account, and sign it out. 422 for the last admin."""
    return _changed(request, services, session, name, "role", role)


@router.post("/accounts/disabled", response_class=HTMLResponse)
def set_disabled(
    request: Request,
    services: TheServices,
    session: Signed,
    name: NameForm,
    disabled: Annotated[Literal["on", "off"], Form()],
) -> Response:
    """Disable an account, and end its sessions at once; or let it sign in again. 422 for the last admin."""
    return _changed(request, services, session, name, "disabled", disabled == "on")


@router.get("/accounts/tokens", response_class=HTMLResponse)
def tokens_page(request: Request, services: TheServices) -> Response:
    """Show all tokens, without their secrets."""
    return _tokens(request, services)


@router.post("/accounts/tokens", response_class=HTMLResponse)
def make_token(
    request: Request,
    services: TheServices,
    session: Signed,
    name: NameForm,
    scopes: Annotated[list[TokenScope], Form(default_factory=list)],
    until: DayForm = None,
) -> Response:
    """Make a token, and show it once. It works until the end of the day `until` (UTC), or without end."""
    end = datetime.combine(until, time.max, UTC).timestamp() if until else None
    try:
        with services.database.write() as connection:
            token = api_tokens.make_token(connection, name, scopes, end, services.clock(), session.account.name)
    except AccountError as error:
        field = "until" if error.text == "token_day" else "scopes" if name.strip() else "name"
        typed = {"name": name, "scopes": scopes, "until": until}
        return _tokens(request, services, wrong={field: explain(request, error)}, typed=typed)
    return _tokens(request, services, token)


@router.post("/accounts/tokens/revoke")
def revoke_token(
    services: TheServices, session: Signed, token: Annotated[str, Form(pattern=r"^vw_[0-9a-f]{8}$")]
) -> Response:
    """Refuse a token from now on."""
    with services.database.write() as connection:
        api_tokens.revoke_token(connection, token, services.clock(), session.account.name)
    return RedirectResponse("/accounts/tokens", 303)


def _changed(
    request: Request, services: Services, session: LoginSession, name: str, field: str, value: object
) -> Response:
    try:
        with services.database.write() as connection:
            accounts.change_account(connection, name, services.clock(), session.account.name, **{field: value})
    except AccountError as error:
        if error.text != "last_admin":  # there is no such account, so no place beside it
            raise
        return _page(request, services, name, wrong={field: explain(request, error)})
    return RedirectResponse(account_href(name), 303)


def _page(
    request: Request,
    services: Services,
    name: str = "",
    token: str = "",
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    """Show the accounts, and more of the account `name`; with `token`, also a link for it.

    `wrong` has the reason by refused field, and `typed` what stood in a refused invitation.
    """
    with services.database.read() as connection:
        found = accounts.all_accounts(connection)
        invited = accounts.open_invitations(connection, services.clock())
        skilled = eligibility.all_skills(connection)
    values: dict[str, Any] = {
        "accounts": found,
        "invited": invited,
        "skilled": skilled,
        "opened": name,
        "link": f"{_address(request, services)}/invitation/{token}" if token else "",
        "has_address": _has_address(services),
        "days": int(accounts.INVITATION_SECONDS // 86_400),
        "roles": get_args(Role),
        "senior": SENIOR,
        "languages_spoken": languages_of(services, skilled.values()),
        "labels": services.labels.labels,
        "wrong": wrong or {},
        "typed": typed or {"name": "", "role": get_args(Role)[0], "language": ""},
    }
    return page(request, "accounts.html", 422 if wrong else 200, **values)


def _has_address(services: Services) -> bool:
    return "public_url" in services.settings.console.model_fields_set


def _address(request: Request, services: Services) -> str:
    """Return the address of the console for a link: that of the settings, or else the one that the admin uses."""
    found = services.settings.console.public_url if _has_address(services) else str(request.base_url)
    return found.rstrip("/")


def _tokens(
    request: Request,
    services: Services,
    made: str = "",
    wrong: Mapping[str, str] | None = None,
    typed: Mapping[str, Any] | None = None,
) -> Response:
    """Show the tokens. `wrong` has the reason by refused field, and `typed` what stood in a refused form."""
    with services.database.read() as connection:
        found = api_tokens.all_tokens(connection)
    until = datetime.fromtimestamp(services.clock(), UTC).date() + TOKEN_LIFE
    values = {
        "tokens": found,
        "made": made,
        "scopes": get_args(TokenScope),
        "wrong": wrong or {},
        "typed": typed or {"name": "", "scopes": [], "until": until},
    }
    return page(request, "tokens.html", 422 if wrong else 200, **values)
