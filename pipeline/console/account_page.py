"""A person's own page: language, theme, keys, password, one-time codes."""

import io
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from pipeline.base.errors import AccountError, TooManyTries
from pipeline.console.fields import CodeForm, NameForm, SecretForm, WordForm
from pipeline.console.keyboard import KEY, KEYS, conflict, first_of_two, keys_of
from pipeline.console.login import own_path
from pipeline.console.rendering import explain, page
from pipeline.console.services import Signed, TheServices, services_of
from pipeline.review.accounts import accounts, passwords
from pipeline.review.accounts.sign_in import LoginSession

router = APIRouter(prefix="/me")

QR_SCALE = 4  # pixels of a module
# Value of a form for "as in the browser". An empty one would not arrive: FastAPI takes it for a missing field.
AS_BROWSER = "browser"

KeyForm = Annotated[str, Form(max_length=16, pattern=KEY)]


@router.get("", response_class=HTMLResponse)
def me_page(request: Request, session: Signed) -> Response:
    """Show the person's preferences, and a new secret for one-time codes."""
    return _page(request, session)


@router.post("/preferences")
def set_preferences(
    request: Request,
    services: TheServices,
    session: Signed,
    language: Annotated[str | None, Form(max_length=7, pattern=r"^[a-z]*$")] = None,
    theme: Annotated[Literal["browser", "dark", "light"] | None, Form()] = None,
    density: Annotated[Literal["compact", "comfortable"] | None, Form()] = None,
    keys: Annotated[Literal["on", "off"] | None, Form()] = None,
    then: NameForm = "/me",
) -> Response:
    """Change the given preferences, keep the others, and go to the page `then`. 422 for an unknown language."""
    if language and language not in {AS_BROWSER, *services.texts.names}:
        raise AccountError(
            f"The console has no texts in {language!r}", f"Choose {', '.join(services.texts.names)}.", text="language"
        )
    given = {"language": language, "theme": theme, "density": density, "keys": None if keys is None else keys == "on"}
    changes = {name: "" if value == AS_BROWSER else value for name, value in given.items() if value is not None}
    with services.database.write() as connection:
        accounts.store_preferences(
            connection, session.account.name, msgspec.structs.replace(session.account.preferences, **changes)
        )
    return RedirectResponse(own_path(then), 303)


@router.post("/keys", response_class=HTMLResponse)
def set_keys(
    request: Request,
    services: TheServices,
    session: Signed,
    name: Annotated[list[WordForm], Form(max_length=256)],
    key: Annotated[list[KeyForm], Form(max_length=256)],
    restore: bool = Form(default=False),
) -> Response:
    """Store the person's own keys: `key` has the key of each action of `name`. 422 if two actions have the same key."""
    given = (
        # A text field cannot show a blank, so the form says "Space".
        {} if restore else {one: " " if wanted == "Space" else wanted for one, wanted in zip(name, key, strict=False)}
    )
    remapped = {one: wanted for one, wanted in given.items() if one in KEYS and wanted != KEYS[one]}
    if twice := conflict(keys_of(remapped)):
        return _page(request, session, 422, twice=twice, wanted=keys_of(remapped))
    preferences = msgspec.structs.replace(session.account.preferences, remapped=remapped)
    with services.database.write() as connection:
        accounts.store_preferences(connection, session.account.name, preferences)
    return RedirectResponse("/me#keys-title", 303)


@router.post("/password", response_class=HTMLResponse)
def set_password(
    request: Request, services: TheServices, session: Signed, old: SecretForm, new: SecretForm
) -> Response:
    """Change the password and sign the account out everywhere.

    422 if the old password is wrong or the new one is easy to guess, 429 after too many wrong ones.
    """
    name = session.account.name
    field = "old"
    try:
        # A stolen session alone must not be enough to take the account over.
        services.password_checker.confirm(name, old, "password")
        field = "new"
        # Hashing is slow on purpose, so it happens outside the transaction.
        stored = passwords.hash_new_password(new, name)
    except AccountError as error:
        return _refused(request, session, field, error)
    with services.database.write() as connection:
        accounts.change_account(connection, name, services.clock(), name, password=stored)
    return RedirectResponse("/login", 303)


@router.post("/totp", response_class=HTMLResponse)
def set_totp(
    request: Request,
    services: TheServices,
    session: Signed,
    password: SecretForm,
    secret: Annotated[str, Form(pattern=r"^[A-Z2-7]{32}$")],
    code: CodeForm,
) -> Response:
    """Require one-time codes from now on, sign the account out everywhere, and show its recovery codes once.

    `code` proves that the authenticator app has the secret. 422 if it or the password is wrong, 429 after too many
    wrong passwords.
    """
    now, name = services.clock(), session.account.name
    field = "password"
    try:
        # As for a new password: a stolen session alone must not be enough.
        services.password_checker.confirm(name, password, "totp")
        field = "code"
        # The form brings the secret back, because nothing is stored before the app has proved that it has it.
        if passwords.totp_step(code, secret, now, 0) is None:
            raise AccountError("The code is wrong", "Check the clock of your device, and try again.", text="code")
    except AccountError as error:
        return _refused(request, session, field, error, secret)
    with services.database.write() as connection:
        accounts.change_account(connection, name, now, name, totp_secret=secret)
        codes = passwords.new_recovery_codes(connection, name)
    request.state.session = None  # the page is for a person who is signed out
    return page(request, "recovery_codes.html", codes=codes)


def qr_svg(text: str) -> Markup:
    """Return the QR code of a text as an SVG element, black on white in every theme, because cameras need it so."""
    out = io.BytesIO()
    code = segno.make(text, micro=False)
    code.save(out, kind="svg", scale=QR_SCALE, light="#fff", xmldecl=False, svgns=False, svgclass=None, lineclass=None)
    return Markup(out.getvalue().decode())  # noqa: S704 - segno writes numbers and its own words only


def _refused(request: Request, session: LoginSession, field: str, error: AccountError, secret: str = "") -> Response:
    """Show the page with the reason beside the field. The authenticator app may have the `secret` already."""
    status = 429 if isinstance(error, TooManyTries) else 422
    answer = _page(request, session, status, wrong={field: explain(request, error)}, secret=secret)
    if isinstance(error, TooManyTries):
        answer.headers["retry-after"] = str(error.seconds)
    return answer


def _page(
    request: Request,
    session: LoginSession,
    status: int = 200,
    twice: tuple[str, str] | None = None,
    wanted: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    secret: str = "",
) -> Response:
    """Show the page.

    `wanted` are the keys of a refused form, and `twice` are the two actions with the same key. `wrong` has the reason
    by refused field.
    """
    secret = secret or passwords.totp_secret()  # new at each view; it counts only when `set_totp` stores it
    code = qr_svg(passwords.totp_uri(session.account.name, secret))
    with services_of(request).database.read() as connection:
        left = passwords.recovery_codes_left(connection, session.account.name)
    own_keys = wanted or keys_of(session.account.preferences.remapped)
    rows = [
        (name, first_of_two(default), "Space" if own_keys[name] == " " else own_keys[name])
        for name, default in KEYS.items()
    ]
    values = {"secret": secret, "qr": code, "codes_left": left, "rows": rows, "twice": twice, "wrong": wrong or {}}
    return page(request, "me.html", status, **values)
