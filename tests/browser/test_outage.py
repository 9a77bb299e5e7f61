"""The console while its database does not answer: nothing typed is lost, and each verdict is stored once."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.review import database as database_module
from pipeline.review.accounts import accounts
from pipeline.review.accounts.accounts import Preferences
from pipeline.review.database import Database
from pipeline.settings import Settings
from tests.browser.conftest import Sit, Stack, seats
from tests.browser.test_slow import is_open
from tests.pipeline.console.servers import served
from tests.pipeline.review import people, postgres
from tests.pipeline.review.postgres import Server
from tests.pipeline.review.writers import locked

NO_STORE = "The database does not answer. What you typed is kept. Trying again."


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres.running(postgres.memory()) as started:
        yield started


@pytest.fixture
def on_server(tmp_path: Path, server: Server, browser: Browser) -> Iterator[tuple[Stack, Sit]]:
    """A console on a PostgreSQL server of its own, and the seats at it."""
    settings = Settings(data_dir=tmp_path, store={"url": server.url})
    with closing(Database(settings.database_url)) as database:
        people.hire(database)
        with served(create_app(open_services(settings, database))) as url:
            stack = Stack(url, tmp_path, database)
            with seats(stack, browser) as sit:
                yield stack, sit


def noted(page: Page, case: str) -> None:
    """Open a case and write a note to its decision."""
    page.keyboard.press("j")
    is_open(page, case)
    page.keyboard.press("n")
    page.keyboard.type("keep me")
    page.keyboard.press("Escape")


def first_of(page: Page) -> str:
    return page.locator("#rows .row").first.get_attribute("data-case") or ""


def test_a_verdict_waits_for_a_stopped_database_and_is_stored_once(
    on_server: tuple[Stack, Sit], server: Server
) -> None:
    stack, sit = on_server
    stack.say(2)
    page = sit("ana")
    case = first_of(page)
    noted(page, case)
    line = page.locator("#line")
    server.kill()
    expect(line).to_have_text(NO_STORE)  # before the person does anything
    page.keyboard.press("1")
    expect(page.locator("#lease")).to_contain_text("Not sent yet: \u2068Violation\u2069.")
    assert page.input_value("#note") == "keep me"
    page.keyboard.press("Enter")  # to send it again is possible at any time
    expect(page.locator("#strip")).to_have_attribute("data-state", "unsent")
    server.start()
    page.wait_for_selector(f'#pane[aria-busy="false"] .case:not([data-case="{case}"]) #decide')
    expect(line).to_be_hidden()
    [decision] = stack.store.case(case).decisions
    assert (decision.verdict, decision.note) == ("uphold", "keep me")
    expect(page.locator("body")).to_have_attribute("data-live", "on")


def test_a_verdict_waits_for_a_locked_file_and_is_stored_once(
    stack: Stack, sit: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_MILLISECONDS", 200)  # of connections that are made from now on
    monkeypatch.setattr(database_module, "FREE_MILLISECONDS", 100)
    stack.database._engine.dispose()
    stack.say(2)
    page = sit("ana")
    case = first_of(page)
    noted(page, case)
    with locked(stack.database):
        page.keyboard.press("2")
        expect(page.locator("#lease")).to_contain_text("Not sent yet: \u2068No violation\u2069.")
        expect(page.locator("#line")).to_have_text(NO_STORE)
    page.wait_for_selector(f'#pane[aria-busy="false"] .case:not([data-case="{case}"]) #decide')
    expect(page.locator("#line")).to_be_hidden()
    [decision] = stack.store.case(case).decisions
    assert (decision.verdict, decision.note) == ("dismiss", "keep me")


def test_a_page_that_is_opened_meanwhile_says_so_in_the_language_of_the_account(
    on_server: tuple[Stack, Sit], server: Server
) -> None:
    stack, sit = on_server
    with stack.database.write() as connection:
        accounts.store_preferences(connection, "ana", Preferences(language="zh"))
    page = sit("ana", locale="en")
    server.kill()
    answer = page.goto(f"{stack.url}/search?q=spam")
    assert answer is not None
    assert answer.status == 503
    expect(page.locator("h1")).to_have_text("数据库没有响应，操作未完成。请一分钟后重试。")
    server.start()
    page.click("main a")
    expect(page).to_have_url(f"{stack.url}/search?q=spam")
    expect(page.locator("main h1")).to_have_text("搜索")


def test_other_pages_say_it_too(on_server: tuple[Stack, Sit], server: Server) -> None:
    _, sit = on_server
    page = sit("ana", path="/inbox")
    server.kill()
    page.evaluate("document.body.dispatchEvent(new Event('due'))")
    expect(page.locator("#line")).to_have_text(NO_STORE)
    server.start()
    expect(page.locator("#line")).to_be_hidden()
