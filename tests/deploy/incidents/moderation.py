"""The people and the app behind a live service: moderators decide cases, the app acts, confirms and appeals."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import httpx

from pipeline.base.errors import DependencyError
from pipeline.console.guard import COOKIE, HEADER
from pipeline.review.accounts import accounts, sign_in
from pipeline.review.database import Database

PAUSE_SECONDS = 1.0
SHIFT = 20
"""Cases that a moderator decides before the next one takes over. The console limits severe cases."""
WORDS = re.compile("kill|idiot|worthless|刷单|打死|赚钱")
"""What people of the demo say against the rules."""
CASE = re.compile(r'data-case="([^"]+)"')
LEASE = re.compile(r'id="lease-id" value="([^"]+)"')
VERSION = re.compile(r'id="case-version" value="([^"]+)"')
APPEAL = re.compile(r'href="/appeals/([0-9a-f-]+)"')
APPEALED = 4
"""One action in so many is appealed."""


def entered(database: Database, address: str, name: str) -> httpx.Client:
    """Sign in a new moderator."""
    now = time.time()
    with database.write() as connection:
        accounts.add_account(connection, name, "moderator", now, "incidents")
        token = sign_in.begin_session(connection, name, now)
        session = sign_in.find_session(connection, token, now)
    assert session is not None
    return httpx.Client(base_url=address, cookies={COOKIE: token}, headers={HEADER: session.csrf}, timeout=60)


class Moderators:
    """Decide one case a second over HTTP, like a page of the console, and settle appeals in turn."""

    def __init__(self, address: str, store_url: str) -> None:
        self._address, self._url = address, store_url
        self._count = 0
        self._client: httpx.Client | None = None

    @contextmanager
    def working(self) -> Iterator[None]:
        over = Event()
        thread = Thread(target=self._work, args=(over,), name="moderators")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _work(self, over: Event) -> None:
        while not over.wait(PAUSE_SECONDS):
            with suppress(httpx.HTTPError, DependencyError):  # the console or the database is away
                self._decide(self._at_work())

    def _at_work(self) -> httpx.Client:
        self._count += 1
        if self._client is None or self._count % SHIFT == 0:
            database = Database(self._url)
            try:
                self._client = entered(database, self._address, f"moderator-{self._count}")
            finally:
                database.close()
        return self._client

    def _decide(self, client: httpx.Client) -> None:
        page = client.post("/next").text
        case, lease, version = CASE.search(page), LEASE.search(page), VERSION.search(page)
        if case and lease and version:
            found = WORDS.search(page)
            choice = {"verdict": "uphold", "action": "mute"} if found else {"verdict": "dismiss"}
            client.post(f"/cases/{case[1]}/decision", data={"lease": lease[1], "version": version[1]} | choice)
        for number, appeal in enumerate(APPEAL.findall(client.get("/appeals").text)):
            client.post(f"/appeals/{appeal}", data={"verdict": ("uphold", "dismiss")[number % 2]})


class App:
    """The app's webhook receiver. It confirms each action and lets some users appeal. `answering`: whether it works."""

    def __init__(self, token: str) -> None:
        self.answering = True
        self.console = ""
        """Address of the console, once it is known."""
        self._headers = {"Authorization": f"Bearer {token}"}
        self._actions = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = Thread(target=self._server.serve_forever, name="app", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200 if app.answering else 503)
                self.end_headers()
                if app.answering and event["type"] == "case.decided":
                    app.act(event["data"])

            def log_message(self, *_: object) -> None:
                """Print nothing on the terminal."""

        return Handler

    def act(self, event: dict[str, dict[str, str]]) -> None:
        """Confirm the action of a decision. Some users appeal."""
        decision = event["decision"]
        if not decision["action"]:
            return
        self._actions += 1
        with suppress(httpx.HTTPError):  # the console is away
            done = {"decision": decision["id"], "action": decision["action"], "result": "done", "at": time.time()}
            self._post("actions", done)
            if self._actions % APPEALED == 0:
                self._post("appeals", {"case": decision["case"], "speaker": event["speaker"], "statement": "No."})

    def _post(self, what: str, body: dict[str, object]) -> None:
        httpx.post(f"{self.console}/api/v1/{what}", json=body, headers=self._headers, timeout=30)
