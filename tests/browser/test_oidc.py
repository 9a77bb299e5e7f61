"""Sign-in at a real, certified OpenID provider (oidc-provider), on its own pages."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr

from pipeline.console.console_app import create_app
from pipeline.console.services import open_services
from pipeline.review.accounts import accounts
from pipeline.review.database import Database
from pipeline.settings import Oidc, ReviewConsole, Settings
from tests.pipeline.console.servers import served
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / ".cache" / "oidc"
SCRIPT = Path(__file__).parent / "oidc" / "provider.cjs"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[str, Database]]:
    """Start a provider and a console. Yield the console's URL and its database."""
    node, issuer_port, port = shutil.which("node"), free_port(), free_port()
    assert node, "make setup installs node"
    redirect = f"http://127.0.0.1:{port}/login/oidc/back"
    command = [node, str(SCRIPT), str(LIBRARY), str(issuer_port), redirect]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as provider:
        assert provider.stdout is not None
        assert provider.stdout.readline() == "ready\n", "npm install --prefix .cache/oidc"
        oidc = Oidc(
            issuer=f"http://127.0.0.1:{issuer_port}",
            client_id="voxwarden",
            client_secret=SecretStr("of-the-tests"),
            roles={"moderators": "moderator", "leads": "lead"},
        )
        console = ReviewConsole(public_url=f"http://127.0.0.1:{port}", oidc=oidc)
        with closing(Database(f"sqlite:///{tmp_path / 'store.db'}")) as database:
            app = create_app(open_services(Settings(data_dir=tmp_path, console=console), database))
            with served(app, port) as url:
                yield url, database
        provider.terminate()


def sign_in(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}/audit")
    page.locator('a[href^="/login/oidc"]').press("Enter")
    page.fill("input[name=login]", name)
    page.fill("input[name=password]", "any")
    page.locator("button[type=submit]").press("Enter")
    page.wait_for_selector("text=authorize")
    page.locator("button[type=submit]").press("Enter")


def test_a_lead_can_sign_in_and_a_stranger_cannot(place: tuple[str, Database], browser: Browser) -> None:
    url, database = place
    context = browser.new_context(locale="en")
    context.set_default_timeout(90_000)
    page = context.new_page()
    sign_in(page, url, "lin-leads")
    expect(page.locator(".who")).to_have_text("lin-leads · lead")
    assert page.url == f"{url}/audit"
    context.close()
    context = browser.new_context(locale="en")
    context.set_default_timeout(90_000)
    page = context.new_page()
    sign_in(page, url, "eve-strangers")
    expect(page.locator("main")).to_contain_text("None of your groups has a role here")
    context.close()
    with database.read() as connection:
        [account] = accounts.all_accounts(connection)
    assert (account.name, account.role, account.password) == ("lin-leads", "lead", None)


def test_an_answer_without_a_sign_in_is_refused(place: tuple[str, Database], browser: Browser) -> None:
    url, database = place
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(f"{url}/login/oidc/back?code=stolen&state=guessed")
    expect(page.locator("main")).to_contain_text("belongs to no sign-in of this browser")
    context.close()
    with database.read() as connection:
        assert accounts.has_no_accounts(connection)
