"""Errors are answered by a page, by a fragment of an open page, or by JSON for a program."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from pipeline import assessment, review
from pipeline import console as console_package
from pipeline.base import errors
from pipeline.base.errors import (
    AccountError,
    CaseError,
    ConfigError,
    DependencyError,
    Involved,
    Missing,
    Stale,
    Taken,
    VoxwardenError,
)
from pipeline.base.http_server import HEADERS
from pipeline.console.console_app import create_app
from pipeline.console.console_texts import Texts
from pipeline.console.guard import COOKIE
from pipeline.console.services import open_services
from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences
from pipeline.settings import Settings
from tests.pipeline.console.conftest import Console, Enter

REVIEW, CONSOLE, ASSESSMENT = (Path(str(one.__file__)).parent for one in (review, console_package, assessment))
PAGES = [file for folder in (REVIEW, CONSOLE, ASSESSMENT) for file in folder.rglob("*.py")]
ONLY_FOR_PROGRAMS = {"apps_api.py", "coop_api.py", "enforcements.py"}
LATIN = re.compile("[A-Za-z]{3}")
EVIL = "<script>alert(1)</script>"
FRAGMENT = {"hx-request": "true"}
BROWSER = {"accept": "text/html"}


def main(page: str) -> str:
    """Return the words of the page's main part, without its tags."""
    return re.sub("<[^>]*>", "", page.partition("<main")[2].partition("</main>")[0].partition(">")[2])


def test_a_person_gets_a_page_and_an_open_page_a_fragment(enter: Enter) -> None:
    ana = enter("ana")
    whole, part = (ana.get("/cases/0", headers=headers) for headers in ({}, FRAGMENT))
    assert (whole.status_code, part.status_code) == (404, 404)
    assert ("<html" in whole.text, "<html" in part.text) == (True, False)
    for answer in (whole, part):
        assert "No such case. It may have been deleted under the retention rules." in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/cases", "/static/none.css", "/cases/0", "/audit"])
def test_an_error_keeps_navigation_language_and_theme(console: Console, enter: Enter, path: str) -> None:
    with console.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(language="zh", theme="dark"))
    answer = enter("ana").get(path)
    assert answer.status_code in {403, 404}
    assert '<html lang="zh-CN" data-theme="dark"' in answer.text
    assert '<a href="/queue"' in answer.text
    assert not LATIN.search(main(answer.text))


def test_a_moderator_reads_no_hint_for_the_command_line(enter: Enter) -> None:
    words = main(enter("ana").get("/audit").text)
    assert "Your role cannot open this page. Ask a lead if you need it." in words
    assert "voxwarden" not in words.lower()


def test_an_error_of_ours_is_a_page_with_a_reference(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(open_services(Settings(data_dir=console.evidence.parent), console.database, console.clock))

    def broken() -> None:
        raise RuntimeError(EVIL)

    app.add_api_route("/broken", broken)
    client = TestClient(app, raise_server_exceptions=False)
    client.cookies.set(COOKIE, console.cookie("ana"))
    answer = client.get("/broken", headers={"accept-language": "zh"})
    reference = re.search(r"编号 <bdi>([0-9a-f]{8})</bdi>", answer.text)
    assert answer.status_code == 500
    assert reference is not None
    assert reference[1] in caplog.text
    assert '<a href="/queue"' in answer.text
    assert EVIL not in answer.text + caplog.text
    assert HEADERS.items() <= dict(answer.headers).items()


def test_without_a_database_the_page_is_in_the_language_of_the_account(console: Console, enter: Enter) -> None:
    with console.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(language="zh"))
    ana = enter("ana")
    assert ana.get("/me").status_code == 200
    without_file(console)
    for path, again in (("/search?q=spam", True), ("/nowhere", False)):
        answer = ana.get(path)
        assert '<html lang="zh-CN"' in answer.text
        assert not LATIN.search(main(answer.text))
        assert (answer.status_code, f'href="{path}"' in answer.text) == ((503, True) if again else (404, False))
    sent = ana.post("/me/preferences", data={"theme": "dark"}, headers=FRAGMENT)
    assert (sent.status_code, "数据库没有响应" in sent.text) == (503, True)


def without_file(console: Console) -> None:
    """Take the file of the store away, as a volume that is lost."""
    console.database.close()
    file = Path(console.database.url.database or "")
    file.rename(file.with_suffix(".away"))


def raises(files: Iterable[Path]) -> Iterator[tuple[str, str, str, set[str]]]:
    """Return the place, the class, the key of the text, and its values, for each of our errors that the files raise."""
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, VoxwardenError)}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and ast.unparse(node.exc.func) in kinds:
                kind = ast.unparse(node.exc.func)
                given = {word.arg or "": ast.unparse(word.value).strip("'") for word in node.exc.keywords}
                text = given.pop("text", "") or getattr(errors, kind).text
                yield f"{file.name}:{node.lineno}", kind, text, set(given)


def test_each_error_has_a_text_in_the_catalogues() -> None:
    shown = ("CaseError", "Missing", "Taken", "Involved", "Stale", "AccountError")
    english, unexplained = Texts().catalogue("en"), []
    for place, kind, text, values in raises(PAGES):
        if kind not in shown or place.partition(":")[0] in ONLY_FOR_PROGRAMS or text == "error.text":
            continue
        known = f"error.{text}" in english and text != "other"
        if not known or not set(re.findall(r"\{(\w+)\}", english[f"error.{text}"])) <= values:
            unexplained.append((place, text, values))
    assert not unexplained, "give the error a `text` of the section `error` of console.yaml, and its values"


def test_a_program_gets_json(enter: Enter) -> None:
    nobody = enter("")
    answer = nobody.post("/api/v1/reports", json={})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Sign in first."})
    assert nobody.get("/api/nowhere").json() == {"detail": "Not Found"}


@pytest.mark.parametrize("path", ["/audit", "/cases/0", "/queue?room=a"])
def test_a_browser_without_a_session_goes_to_the_login(enter: Enter, path: str) -> None:
    answer = enter("").get(path, headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/login?then={path.partition('?')[0]}"


def test_a_form_that_is_sent_after_the_session_goes_to_the_login(enter: Enter) -> None:
    answer = enter("").post("/me/preferences", data={"theme": "dark"}, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?then=/")


def test_an_open_page_without_a_session_goes_to_the_login(enter: Enter) -> None:
    answer = enter("").post("/next", headers=FRAGMENT | BROWSER)
    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (401, "/login?then=/", "")
    at = {"hx-current-url": "http://desk/assessment/hazards?x=1#y"}
    answer = enter("").post("/next", headers=FRAGMENT | BROWSER | at)
    assert answer.headers["hx-redirect"] == "/login?then=/assessment/hazards"


def test_an_invalid_field_is_named_and_its_text_is_not_repeated(enter: Enter) -> None:
    answer = enter("ana").get("/queue", params={"room": EVIL + "\x00"})
    assert answer.status_code == 422
    assert "The value of the field “<bdi>room</bdi>” is not allowed." in answer.text
    assert "alert(1)" not in answer.text


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Missing, 404),
        (Involved, 403),
        (Stale, 409),
        (Taken, 409),
        (CaseError, 409),
        (AccountError, 422),
        (DependencyError, 503),
        (ConfigError, 422),
        (VoxwardenError, 422),
    ],
)
async def test_each_of_our_errors_has_its_status(console: Console, kind: type[VoxwardenError], status: int) -> None:
    app = create_app(open_services(Settings(data_dir=console.evidence.parent), console.database, console.clock))
    handler = app.exception_handlers[VoxwardenError]
    scope = {"type": "http", "method": "GET", "path": "/api/x", "headers": [], "app": app, "query_string": b""}
    answer = await handler(Request(scope), kind(EVIL, "Do this."))  # type: ignore[misc]
    assert answer.status_code == status
    assert b"Do this." in answer.body
