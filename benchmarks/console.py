"""Measure the console with many open cases and many moderators: queue page, next case, and the delay of new cases.

    python -m benchmarks.console [--cases 100000] [--moderators 20] [--seconds 30] [--pause 5] [--browser]
        [--postgres URL]

The store is filled with open cases of all labels, rooms and speakers. A console in a process of its own serves them.
Each moderator asks for the queue, takes a case, decides it, and takes the next. Times are what a client waits for,
server and loopback together. `--browser` measures in Chromium, from the key to the next case that can be decided.
"""

import argparse
import multiprocessing
import random
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from sqlalchemy import insert

from pipeline.console.guard import COOKIE, HEADER
from pipeline.http_server import listen
from pipeline.judge import labels
from pipeline.messages import Flag, Hit
from pipeline.review.accounts import accounts, sessions
from pipeline.review.cases import ranking
from pipeline.review.cases.writing import columns
from pipeline.review.database import Database
from pipeline.review.store import SqlReviewStore
from pipeline.review.tables.core import CASES, FLAGS
from pipeline.settings import ReviewConsole, Settings

BATCH = 1_000
TEXT = "you are a worthless piece of dirt and everybody here knows it"
Times = dict[str, list[float]]


def flag(number: int, label: str, at: float) -> Flag:
    return Flag(
        id=f"flag-{number}",
        utterance=f"utterance-{number}",
        transcript=f"transcript-{number}",
        room=f"room-{number % 997}",
        speaker=f"speaker-{number % 9_973}",
        start=at,
        end=at + 4,
        text=TEXT,
        language=("en", "zh")[number % 2],
        confidence=0.9,
        suggestion=("review", "review", "review", "block")[number % 4],
        risk=0.5 + number % 50 / 100,
        labels={label: 0.7},
        flagged=(label,),
        hits=(Hit("worthless", label, "high", 10, 19, at + 1, at + 2),),
        reasons=(f"{label}: the term “worthless” (high) means review",),
        policy="default@1",
        model="baseline",
    )


def fill(database: Database, count: int, now: float) -> None:
    """`count` open cases with one flag each, as old as a backlog of a day."""
    known = labels.load()
    order = ranking.Ranking({name: known.severity(name) for name in known.labels})
    names = list(known.labels)
    for first in range(0, count, BATCH):
        with database.write() as connection:
            flags = [flag(n, names[n % len(names)], now - 86_400 * n / count) for n in range(first, first + BATCH)]
            connection.execute(insert(CASES), [_case(one, order) for one in flags])
            connection.execute(insert(FLAGS), [columns(one) | {"case_id": f"{_number(one):032x}"} for one in flags])


def _number(one: Flag) -> int:
    return int(one.id.rpartition("-")[2])


def _case(one: Flag, order: ranking.Ranking) -> dict[str, Any]:
    fields = ("room", "speaker", "room_type", "start", "end", "suggestion", "risk", "language", "text", "policy")
    return {name: getattr(one, name) for name in fields} | {
        "id": f"{_number(one):032x}",
        "label": one.flagged[0],
        "status": "pending",
        "version": 1,
        "created_at": one.end,
        "hits": msgspec.to_builtins(one.hits),
        **order.columns(one, one.end),
    }


def serve(url: str, folder: str, listener: socket.socket) -> None:
    """Runs in the server's process."""
    import asyncio

    import uvicorn

    from pipeline.console.app import create_app, open_desk

    settings = Settings(data_dir=Path(folder), console=ReviewConsole())
    config = uvicorn.Config(create_app(open_desk(settings, Database(url))), log_level="error", access_log=False)
    asyncio.run(uvicorn.Server(config).serve([listener]))


@contextmanager
def served(url: str, folder: str) -> Iterator[str]:
    listener = listen("127.0.0.1", 0, "console")
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(url, folder, listener))
    process.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        httpx.get(f"{address}/healthz", timeout=120)  # The socket is already open. It answers once the app has started.
        yield address
    finally:
        process.terminate()
        process.join()
        listener.close()


def moderate(client: httpx.Client, until: float, pause: float, times: Times, lock: threading.Lock) -> None:
    """Look at the queue, take a case, decide it, and wait about `pause` seconds, again and again."""

    def timed(name: str, act: Callable[[], httpx.Response]) -> httpx.Response:
        start = time.perf_counter()
        answer = act()
        with lock:
            times[name].append(time.perf_counter() - start)
        return answer.raise_for_status()

    # people do not all start at the same time
    time.sleep(random.random() * pause)
    while time.monotonic() < until:
        timed("queue page", lambda: client.get("/queue"))
        page = timed("next case", lambda: client.post("/next")).text
        case, lease = _between(page, 'data-case="'), _between(page, 'id="lease-id" value="')
        form = {"lease": lease, "version": _between(page, 'id="case-version" value="'), "verdict": "dismiss"}
        timed("decide", lambda case=case, form=form: client.post(f"/cases/{case}/decision", data=form))  # type: ignore[misc]
        time.sleep(random.uniform(0.5, 1.5) * pause)


def _between(page: str, opening: str) -> str:
    return page.partition(opening)[2].partition('"')[0]


def news_waits(client: httpx.Client, database: Database, first: int, count: int = 100) -> list[float]:
    """Seconds from the commit of a flag until a page's event stream reports its case."""
    store, waits = SqlReviewStore(database), []
    with client.stream("GET", "/queue/live") as stream:
        lines = stream.iter_lines()
        for number in range(first, first + count):
            time.sleep(random.uniform(0.05, 0.55))  # not in step with the polling of the store
            [outcome] = store.add([flag(number, "fraud", time.time() + 100 * (number - first))], time.time())
            start = time.perf_counter()
            while outcome.case not in next(lines):
                pass
            waits.append(time.perf_counter() - start)
    return waits


def entered(database: Database, address: str, name: str) -> httpx.Client:
    now = time.time()
    with database.write() as connection:
        if not accounts.find(connection, name):
            accounts.add(connection, name, "moderator", now, "benchmark")
        token = sessions.begin(connection, name, now)
        session = sessions.find(connection, token, now)
    assert session is not None  # noqa: S101 - just begun
    return httpx.Client(base_url=address, cookies={COOKIE: token}, headers={HEADER: session.csrf}, timeout=60)


def browsed(address: str, client: httpx.Client, count: int) -> list[float]:
    """Seconds in Chromium from the key until the next case can be decided."""
    from playwright.sync_api import sync_playwright

    waits = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": COOKIE, "value": client.cookies[COOKIE], "domain": "127.0.0.1", "path": "/"}])
        page = context.new_page()
        page.goto(f"{address}/queue")
        page.wait_for_selector("body[data-live=on]")
        for _ in range(count):
            before = page.evaluate("document.querySelector('.case')?.dataset.case ?? ''")
            start = time.perf_counter()
            page.keyboard.press("j")
            page.wait_for_function(
                "before => { const one = document.querySelector('.case[data-lease]');"
                " return one && one.dataset.case !== before && document.querySelector('#decide') }",
                arg=before,
            )
            waits.append(time.perf_counter() - start)
        browser.close()
    return waits


def report(name: str, seconds: list[float]) -> None:
    p50, p95, worst = (1_000 * float(np.percentile(seconds, share)) for share in (50, 95, 100))
    print(f"{name:28}{len(seconds):6} times   p50 {p50:7.1f}   p95 {p95:7.1f}   worst {worst:7.1f} ms", flush=True)


def run(url: str, folder: str, options: argparse.Namespace) -> None:
    database = Database(url)
    fill(database, options.cases, time.time())
    with served(url, folder) as address:
        clients = [entered(database, address, f"moderator-{n}") for n in range(options.moderators)]
        times: Times = defaultdict(list)
        lock, until = threading.Lock(), time.monotonic() + options.seconds
        threads = [
            threading.Thread(target=moderate, args=(client, until, options.pause, times, lock)) for client in clients
        ]
        for thread in threads:
            thread.start()
        waits = news_waits(clients[0], database, 10_000_000)
        keys = browsed(address, clients[0], 200) if options.browser else []
        for thread in threads:
            thread.join()
        for name, seconds in times.items():
            report(name, seconds)
        report("stored to told", waits)
        if keys:
            report("key to case, in a browser", keys)
    database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--moderators", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds that each moderator spends on a case")
    parser.add_argument("--postgres", help="URL of an empty database to measure beside SQLite")
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, url in (("SQLite", f"sqlite:///{folder}/store.db"), ("PostgreSQL", options.postgres)):
            if url:
                print(f"{name}, {options.cases:,} open cases, {options.moderators} moderators", flush=True)
                run(url, folder, options)


if __name__ == "__main__":
    main()
