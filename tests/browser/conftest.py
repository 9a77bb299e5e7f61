"""Fixtures: a real browser (Debian's Chromium), and a running console with clips."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from pipeline.console import background_figures
from pipeline.console.console_app import create_app
from pipeline.console.guard import COOKIE
from pipeline.console.services import open_services
from pipeline.contract.messages import SAMPLE_RATE, Flag, Hit
from pipeline.judge import labels
from pipeline.review.accounts import sign_in
from pipeline.review.cases import case_queue
from pipeline.review.cases.case_values import ClipPiece, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder, checksum
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import ReviewConsole, Settings
from pipeline.speech.audio.encode import decode_flac, encode_opus_clip
from tests.builders import NOON, flag
from tests.pipeline.console.servers import served
from tests.pipeline.review import people

CHROMIUM = "/usr/bin/chromium-headless-shell"
"""Chromium without its windows and menus, which take half of its CPU time. Pages run in it as in the whole one."""
PATIENCE = 60_000
"""Timeout in milliseconds. It is long, so that a busy machine does not fail a test."""
expect.set_options(timeout=PATIENCE)
SPOKEN = Path(__file__).parents[1] / "data" / "sense-and-sensibility.flac"
PREROLL = 2.0

FILLER = "And then we went on, and he said that he said so. "
SAID = (
    ("zh", "我弄死你全家,你等着", "弄死你", "violence", "block"),
    ("en", "send me your nudes or I tell everyone", "nudes", "sexual", "review"),
    ("zh", "刷单返利,日结五百,加我微信", "刷单返利", "fraud", "review"),
    ("en", "you are a worthless piece of dirt", "worthless", "abuse", "review"),
    ("zh", "别告诉你爸妈,加我私聊", "别告诉你爸妈", "minor_safety", "block"),
    (
        "en",
        # 9,000 characters, with the hit in the middle
        FILLER * 90 + "I know where you live. " + FILLER * 90,
        "live",
        "abuse",
        "review",
    ),
)


@cache
def _clip() -> tuple[bytes, float]:
    """Return a clip (Ogg Opus) and its length in seconds."""
    samples = decode_flac(SPOKEN.read_bytes())[: 6 * SAMPLE_RATE]
    return encode_opus_clip(samples), len(samples) / SAMPLE_RATE


class Stack:
    """A running server and its store. It uses the real time, because a browser cannot use another one."""

    def __init__(self, url: str, folder: Path, database: Database, mark: str = "") -> None:
        """Add `mark` to each room, speaker and text that people say."""
        self.url = url
        self.mark = mark
        self.database = database
        self.store = SqlReviewStore(
            database,
            ranking=case_queue.Ranking(
                {name: known.severity(name) for known in [labels.load_labels()] for name in known.labels}
            ),
        )
        self.evidence = EvidenceFolder(folder / "evidence")
        self._count = 0

    def say(self, count: int = 1, ago: float = 0.0) -> list[str]:
        """Store flags of `count` mixed utterances, each with a clip, `ago` seconds ago. Return the cases, in order."""
        flags = [self._flag(self._count + n, ago) for n in range(count)]
        self._count += count
        cases = [outcome.case for outcome in self.store.add(flags, time.time() - ago)]
        for each, case in zip(flags, cases, strict=True):
            self._attach(each, case)
        return cases

    def _flag(self, number: int, ago: float = 0.0) -> Flag:
        language, text, term, label, suggestion = SAID[number % len(SAID)]
        text, term = text.replace(term, term + self.mark), term + self.mark
        start = time.time() - ago - 20 - number * 10
        first = text.index(term)
        return flag(
            f"flag-{number}",
            start - NOON,
            start - NOON + 3,
            room=f"room-{number % 4}{self.mark}",
            speaker=f"speaker-{number % 7}{self.mark}",
            text=text,
            language=language,
            suggestion=suggestion,
            risk=0.7,
            labels={label: 0.7, "ads_spam": 0.1},
            flagged=(label,),
            hits=(Hit(term, label, "high", first, first + len(term), start + 0.5, start + 1.2),),
            reasons=(f"{label}: the term “{term}” (high) means {suggestion}",),
        )

    def _attach(self, flag: Flag, case: str) -> None:
        clip, seconds = _clip()
        start = flag.start - PREROLL
        path = self.evidence.put(case, start, clip)
        timeline = (ClipPiece(0.0, start, seconds),)
        self.store.attach(
            Evidence(
                path=path,
                case=case,
                start=start,
                end=flag.end,
                seconds=seconds,
                bytes=len(clip),
                sha256=checksum(clip),
                timeline=timeline,
            )
        )

    @staticmethod
    def now() -> float:
        return time.time()

    def cookie(self, name: str) -> str:
        with self.database.write() as connection:
            return sign_in.begin_session(connection, name, time.time())


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Playwright for this folder only. Its event loop runs until it ends, so no asynchronous test can run meanwhile."""
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    opened = playwright.chromium.launch(
        executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=user-gesture-required"]
    )
    yield opened
    opened.close()


@contextmanager
def running(folder: Path, mark: str = "", **console: Any) -> Iterator[Stack]:
    """Run a console with its store in `folder` and the settings `console`.

    Figures may take a minute, so that no page shows half of them.
    """
    settings = Settings(data_dir=folder, console=ReviewConsole(**console))
    with pytest.MonkeyPatch.context() as patch, closing(Database(settings.database_url)) as database:
        patch.setattr(background_figures, "WAIT_SECONDS", 60.0)
        people.hire(database)
        with served(create_app(open_services(settings, database))) as url:
            yield Stack(url, folder, database, mark)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path) as started:
        yield started


Sit = Callable[..., Page]


REFUSALS = re.compile("(status of|Status Error Code) (401|409|422|503)|INTERNET_DISCONNECTED|htmx:(send|afterRequest)")
NOWHERE = "/nothing/here"
"""A path without a page."""


def _is_problem(line: ConsoleMessage) -> bool:
    """Tell whether a console line is an error. Refused, replaced and lost requests are none: tests expect them."""
    expected = REFUSALS.search(line.text) or line.location["url"].endswith(NOWHERE)
    return line.type == "error" and not expected


@contextmanager
def seats(stack: Stack, browser: Browser) -> Iterator[Sit]:
    """`sit("ana")` opens a page as ana; `sit("")` as nobody. Script errors and blocked content (CSP) fail the test."""
    contexts = []
    problems: list[str] = []

    def down(name: str, path: str = "/queue", locale: str = "en", theme: str = "light", **options: object) -> Page:
        context = browser.new_context(locale=locale, color_scheme=theme, **options)  # type: ignore[arg-type]
        contexts.append(context)
        if name:
            host = urlsplit(stack.url).hostname
            context.add_cookies([{"name": COOKIE, "value": stack.cookie(name), "domain": host, "path": "/"}])
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if _is_problem(line) else None)
        page.goto(stack.url + path)
        if path.startswith("/queue"):
            page.wait_for_selector("body[data-live=on]")
        return page

    yield down
    for context in contexts:
        context.close()
    assert not problems, json.dumps(problems)


@pytest.fixture
def sit(stack: Stack, browser: Browser) -> Iterator[Sit]:
    with seats(stack, browser) as down:
        yield down
