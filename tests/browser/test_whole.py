"""The whole way from speech in a room to the app's webhook, with real parts in one process."""

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from agents.one_machine import run_one_machine
from pipeline.review import audit_log
from pipeline.review.cases.case_values import Filters
from pipeline.review.database import Database
from pipeline.review.review_store import open_store
from pipeline.settings import Asr, Settings
from tests.agents.test_one_machine import Host, speak

SECRET = b"0123456789abcdef0123456789abcdef"


class App(HTTPServer):
    """An app that refuses the first webhook, so that it must be sent again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.came = threading.Event()


class Receiver(BaseHTTPRequestHandler):
    server: App

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(503 if len(self.server.got) == 1 else 204)
        self.end_headers()
        if len(self.server.got) > 1:
            self.server.came.set()

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@contextmanager
def app() -> Iterator[App]:
    with App() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Running:
    """`voxwarden run` in a thread. `host` has the addresses and the login that `run` reported."""

    def __init__(self, settings: Settings) -> None:
        self.host = Host()
        self._settings = settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._ready.wait(280)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def speak(self) -> None:
        asyncio.run_coroutine_threadsafe(speak(self.host.gateway), self._loop).result(120)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        running = asyncio.create_task(run_one_machine(self._settings, self.host, self._stop))
        await self.host.ready.wait()
        self._ready.set()
        await running


def signed(headers: dict[str, str], body: bytes) -> bool:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET, signed, sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{expected}"


def sign_in(page: Page, name: str, password: str) -> None:
    expect(page.locator("[name=name]")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    page.wait_for_selector("body[data-live=on]")


def await_clip(data: Path) -> None:
    """Wait until a case has a clip, because the clip is stored after the case."""
    deadline = time.monotonic() + 120
    with closing(open_store(Settings(data_dir=data))) as store:
        while not any(store.case(case.id).evidence for case in store.cases(Filters())):
            assert time.monotonic() < deadline, "The case has no clip"
            time.sleep(0.1)


@pytest.mark.scenario
@pytest.mark.weights
@pytest.mark.timeout(900)
def test_a_threat_is_flagged_decided_and_sent_to_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    for name in ("GATEWAY", "METRICS", "CONSOLE"):
        monkeypatch.setenv(f"VOXWARDEN_{name}__PORT", "0")
    monkeypatch.setattr("pipeline.review.delivery.event_outbox.PAUSES", (0.5,) * 8)
    with app() as receiver:
        monkeypatch.setenv("VOXWARDEN_WEBHOOKS__URL", f"http://127.0.0.1:{receiver.server_port}/hook")
        monkeypatch.setenv("VOXWARDEN_WEBHOOKS__SECRET", "whsec_" + base64.b64encode(SECRET).decode())
        monkeypatch.setenv("VOXWARDEN_CONSOLE__UNDO_SECONDS", "2")
        with Running(Settings(data_dir=tmp_path, asr=Asr(model="tiny.en"))) as running:
            console = running.host.console
            assert console is not None
            assert console.login is not None
            context = browser.new_context(locale="en")
            context.set_default_timeout(120_000)
            page = context.new_page()
            page.goto(console.url)
            sign_in(page, *console.login)
            running.speak()
            expect(page.locator("#arrivals span")).to_contain_text("1 new, 1 severe", timeout=240_000)
            await_clip(tmp_path)
            page.keyboard.press(".")
            page.wait_for_selector(".row")
            page.keyboard.press("j")
            page.wait_for_selector("#decide")
            expect(page.locator("#transcript")).to_contain_text("kill you")
            expect(page.locator(".w.hit").first).to_be_visible()
            page.keyboard.press("h")
            expect(page.locator("#player")).to_have_attribute("data-state", "playing", timeout=60_000)
            case = page.get_attribute(".case", "data-case")
            page.keyboard.press("1")
            expect(page.locator(f'.row[data-case="{case}"]')).to_have_attribute("data-done", "uphold")
            page.goto(console.url + "/queue")
            expect(page.locator(".row")).to_have_count(0)
            assert receiver.came.wait(120)
            figures = httpx.get(running.host.metrics_url).text
            context.close()
    [(headers, body), (again, _)] = receiver.got[:2]
    assert signed(headers, body)
    assert headers["webhook-id"] == again["webhook-id"]
    told = json.loads(body)
    assert (told["type"], told["data"]["room"], told["data"]["speaker"]) == ("case.decided", "lounge", "ben")
    assert told["data"]["decision"]["verdict"] == "uphold"
    assert 'voxwarden_decisions_total{verdict="uphold"} 1.0' in figures
    with closing(Database(f"sqlite:///{tmp_path / 'voxwarden.db'}")) as database, database.read() as connection:
        done = [line.action for line in audit_log.all_lines(connection) if line.action != "retention.run"]
        assert audit_log.verify_chain(connection).broken is None
    assert done == ["account.add", "login", "case.claim", "case.play", "case.decide"]
