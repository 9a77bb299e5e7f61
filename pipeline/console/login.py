"""Sign-in with a password, and sign-out."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.console.desk import Desk, Signed, TheDesk
from pipeline.console.fields import CodeForm, NameForm, NameQuery, SecretForm
from pipeline.console.guard import COOKIE
from pipeline.console.pages import page
from pipeline.review.accounts import accounts, sessions

router = APIRouter()


@router.get("/login", response_class=HTMLResponse)
def login_page(request: Request, then: NameQuery = "/") -> Response:
    """Show the login form."""
    return page(request, "login.html", then=own(then), name="", refused=False, oidc=_oidc(request))


@router.post("/login", response_class=HTMLResponse)
def login(
    request: Request,
    desk: TheDesk,
    name: NameForm,
    password: SecretForm,
    code: CodeForm = "",
    then: NameForm = "/",
) -> Response:
    """Sign in with name, password and one-time code. 401 if one of them is wrong."""
    now = desk.clock()
    account = accounts.sign_in(desk.database, name, password, code, now)
    if not account:
        return page(request, "login.html", 401, then=own(then), name=name, refused=True, oidc=_oidc(request))
    with desk.database.write() as connection:
        token = sessions.begin(connection, account.name, now)
    return with_cookie(RedirectResponse(own(then), 303), desk, token)


@router.post("/logout")
def logout(desk: TheDesk, session: Signed) -> Response:
    """End the session."""
    with desk.database.write() as connection:
        sessions.end(connection, session)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def with_cookie(response: Response, desk: Desk, token: str) -> Response:
    """Add the session's cookie to a response."""
    secure = desk.settings.console.secure_cookies
    response.set_cookie(
        COOKIE, token, max_age=int(sessions.LONGEST_SECONDS), httponly=True, samesite="lax", secure=secure
    )
    return response


def own(then: str) -> str:
    """Return `then` if it is a path of this console; otherwise "/". So a link cannot lead to another site."""
    return then if then.startswith("/") and not then.startswith(("//", "/\\")) else "/"


def _oidc(request: Request) -> bool:
    """Tell whether people can also sign in at an OpenID provider."""
    return request.app.state.oidc is not None
