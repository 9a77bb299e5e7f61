"""A person's own page: language, theme, keys, password, one-time codes."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.desk import Signed, TheDesk
from pipeline.console.fields import CodeForm, NameForm, SecretForm
from pipeline.console.keys import KEYS
from pipeline.console.login import own
from pipeline.console.pages import page
from pipeline.errors import AccountError
from pipeline.review.accounts import accounts, passwords

router = APIRouter(prefix="/me")

AS_BROWSER = "browser"
"""Value of a form for "as in the browser". An empty one would not arrive: FastAPI takes it for a missing field."""


@router.get("", response_class=HTMLResponse)
def me_page(request: Request, session: Signed) -> Response:
    """Show the person's preferences, and a new secret for one-time codes."""
    secret = passwords.totp_secret()
    uri = passwords.totp_uri(session.account.name, secret)
    return page(request, "me.html", secret=secret, uri=uri, all_keys=KEYS)


@router.post("/preferences")
def set_preferences(
    request: Request,
    desk: TheDesk,
    session: Signed,
    language: Annotated[str | None, Form(max_length=7, pattern=r"^[a-z]*$")] = None,
    theme: Annotated[Literal["browser", "dark", "light"] | None, Form()] = None,
    density: Annotated[Literal["compact", "comfortable"] | None, Form()] = None,
    keys: Annotated[Literal["on", "off"] | None, Form()] = None,
    then: NameForm = "/me",
) -> Response:
    """Change the given preferences, keep the others, and go to the page `then`. 422 for an unknown language."""
    if language and language not in {AS_BROWSER, *desk.texts.names}:
        raise AccountError(
            f"The console has no texts in {language!r}", f"Choose {', '.join(desk.texts.names)}.", text="language"
        )
    given = {"language": language, "theme": theme, "density": density, "keys": None if keys is None else keys == "on"}
    changes = {name: "" if value == AS_BROWSER else value for name, value in given.items() if value is not None}
    with desk.database.write() as connection:
        accounts.prefer(
            connection, session.account.name, msgspec.structs.replace(session.account.preferences, **changes)
        )
    return RedirectResponse(own(then), 303)


@router.post("/password")
def set_password(desk: TheDesk, session: Signed, old: SecretForm, new: SecretForm) -> Response:
    """Change the password and sign the account out everywhere.

    422 if the old password is wrong or the new one is easy to guess, 429 after too many wrong ones.
    """
    name = session.account.name
    desk.door.confirm(name, old, "password")
    stored = passwords.new(new, name)
    with desk.database.write() as connection:
        accounts.change(connection, name, desk.clock(), name, password=stored)
    return RedirectResponse("/login", 303)


@router.post("/totp")
def set_totp(
    desk: TheDesk,
    session: Signed,
    password: SecretForm,
    secret: Annotated[str, Form(pattern=r"^[A-Z2-7]{32}$")],
    code: CodeForm,
) -> Response:
    """Require one-time codes from now on, and sign the account out everywhere.

    `code` proves that the authenticator app has the secret. 422 if it or the password is wrong, 429 after too many
    wrong passwords.
    """
    now, name = desk.clock(), session.account.name
    desk.door.confirm(name, password, "totp")
    if passwords.totp_step(code, secret, now, 0) is None:
        raise AccountError("The code is wrong", "Check the clock of your device, and try again.", text="code")
    with desk.database.write() as connection:
        accounts.change(connection, name, now, name, totp_secret=secret)
    return RedirectResponse("/login", 303)
