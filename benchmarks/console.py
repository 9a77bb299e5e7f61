"""Measure the console with many open cases and many moderators: queue, next case, decision, news, filters, search.

    python -m benchmarks.console [--cases 100000] [--decided 0] [--moderators 20] [--seconds 90] [--pause 5]
        [--postgres URL]

The store is filled with open cases of all labels, rooms and speakers, and with `--decided` older cases: the issue's
search over 1,000,000 cases is `--decided 900000`. A console in a process of its own serves them. Each moderator asks
for the queue, takes a case, decides it, and takes the next. Times are what a client waits for, server and loopback
together. “Told” is the time from the commit until another moderator's page knows of it. The CPU of the
console's process includes the news for the open page. Before that, one moderator works alone, so that each kind of
request has a CPU time of its own.
"""

import argparse
import itertools
import json
import multiprocessing
import random
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from sqlalchemy import Connection, insert, text

from benchmarks import report
from benchmarks.report import cpu_seconds
from pipeline.base.http_server import listen
from pipeline.console.guard import COOKIE, HEADER
from pipeline.contract.messages import Flag, Hit
from pipeline.judge import labels
from pipeline.review.accounts import accounts, sign_in
from pipeline.review.cases import case_queue
from pipeline.review.cases.case_values import columns
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.search.case_words import fold, grams
from pipeline.review.tables.case_tables import SAID
from pipeline.review.tables.core import CASES, FLAGS
from pipeline.settings import Settings

BATCH = 1_000
VOCABULARY = 20_000
WORDS = 12
"""Words of an utterance, besides `worthless` in English."""
SEARCHES = (
    # A word in each hundredth case, one in each tenth, a rare one, none; with filters; filters alone.
    "返现", "返", "加微", "cashback", "shback", "zyzzyva", "不存在的词语",
    "返现|cashback status:open", "加微 verdict:violation", "返现 label:fraud when:7d", "加微 speaker:speaker-77",
    "label:abuse severity:medium", "by:moderator-3", "room:room-5", "when:1d", "has:audio",
)  # fmt: skip
FILTERS = (
    {"language": "xx"}, {"policy": "gone@1"}, {"status": "escalated"}, {"language": "zh", "suggestion": "pass"},
    {"label": "fraud", "language": "xx"}, {"room": "room-5", "policy": "gone@1"}, {"speaker": "nobody"},
)  # fmt: skip
"""Filters of the queue that no case matches."""
ALONE = 200
"""Cases of one person alone. The clock of CPU time has steps of 10 ms, so that only a mean of many requests counts."""
Times = dict[str, list[float]]


class Vocabulary:
    """Words of two languages, a few of them frequent, as in real speech. It always makes the same sentences."""

    def __init__(self) -> None:
        self._random = random.Random(7)
        han = [chr(0x4E00 + number) for number in range(3_000)]
        weights = [1 / (number + 5) for number in range(len(han))]
        self._words = (
            [
                "".join(self._random.choices("etaoinshrdlucmfwypvbgkjqxz", range(26, 0, -1), k=2 + n % 7))
                for n in range(VOCABULARY)
            ],
            ["".join(self._random.choices(han, weights, k=(1, 2, 2, 2, 3)[n % 5])) for n in range(VOCABULARY)],
        )
        self._share = list(itertools.accumulate(1 / (number + 3) for number in range(VOCABULARY)))

    def sentence(self, number: int) -> str:
        """Return the sentence of a case: English if its number is even, Chinese if it is odd."""
        words = self._random.choices(self._words[number % 2], cum_weights=self._share, k=WORDS)
        if number % 2 == 0:
            words.insert(2, "worthless")
        for every, word in ((100, "cashback"), (101, "返现"), (10, "加微"), (20_001, "zyzzyva")):
            if number % every == 0:
                words.insert(4, word)
        return ("" if number % 2 else " ").join(words)


def flag(number: int, label: str, at: float, said: str = "you are a worthless piece of dirt") -> Flag:
    place = said.find("worthless")
    hits = (Hit("worthless", label, "high", place, place + 9, at + 1, at + 2),) if place >= 0 else ()
    return Flag(
        id=f"flag-{number}",
        utterance=f"utterance-{number}",
        transcript=f"transcript-{number}",
        room=f"room-{number % 997}",
        speaker=f"speaker-{number % 9_973}",
        start=at,
        end=at + 4,
        text=said,
        language=("en", "zh")[number % 2],
        confidence=0.9,
        suggestion=("review", "review", "review", "block")[number % 4],
        risk=0.5 + number % 50 / 100,
        labels={label: 0.7},
        flagged=(label,),
        hits=hits,
        reasons=(f"{label}: the term “worthless” (high) means review",),
        policy="default@1",
        model="baseline",
    )


def fill(database: Database, count: int, now: float) -> None:
    """`count` open cases with one flag each, as old as a backlog of a day."""
    known, vocabulary = labels.load_labels(), Vocabulary()
    order = case_queue.Ranking({name: known.severity(name) for name in known.labels})
    names = list(known.labels)
    for first in range(0, count, BATCH):
        with database.write() as connection:
            flags = [
                flag(n, names[n % len(names)], now - 86_400 * n / count, vocabulary.sentence(n))
                for n in range(first, first + BATCH)
            ]
            connection.execute(insert(CASES), [_case(one, order) for one in flags])
            connection.execute(insert(FLAGS), [columns(one) | {"case_id": f"{_number(one):032x}"} for one in flags])
            connection.execute(insert(SAID), [_words(one) for one in flags])


def age(database: Database, count: int, decided: int) -> None:
    """Copy the `count` open cases as older ones, day by day, until `decided` cases are decided."""
    for day in range(1, -(-decided // count) + 1):
        with database.write() as connection:
            _copy_day(connection, f"{day:x}f", 86_400.0 * day, min(count, decided - count * (day - 1)))
    with database.write() as connection:
        connection.execute(text("ANALYZE"))


def _copy_day(connection: Connection, prefix: str, seconds: float, count: int) -> None:
    """The first two digits of an open case's id are 0, and those of a copy's are `prefix`, so each day has its ids."""
    shifted = {"start", "end", "created_at", "due_at", "urgency"}
    new = {"id": f"'{prefix}' || substr(id, {len(prefix) + 1})", "status": "'decided'", "version": "2",
           "verdict": "CASE WHEN risk < 0.8 THEN 'dismiss' ELSE 'uphold' END"}  # fmt: skip
    names = [column.name for column in CASES.columns]
    values = [new.get(name, f'"{name}" - {seconds}' if name in shifted else f'"{name}"') for name in names]
    copied = f"FROM cases WHERE status = 'pending' AND id < '{count:032x}'"
    connection.execute(text(f"INSERT INTO cases ({_quoted(names)}) SELECT {', '.join(values)} {copied}"))
    theirs = f"'{prefix}' || substr(case_id, {len(prefix) + 1})"
    connection.execute(
        text(
            f"INSERT INTO said (case_id, created_at, text, grams) SELECT {theirs}, created_at - {seconds}, text, grams "  # noqa: S608
            f"FROM said WHERE case_id < '{count:032x}'"
        )
    )
    decisions = (
        "INSERT INTO decisions (id, case_id, moderator, verdict, reason, note, at) "
        "SELECT id, id, 'moderator-' || (CAST(100 * risk AS INTEGER) % 20), verdict, '', '', created_at + 60 "
        "FROM cases WHERE id LIKE :ids AND status = 'decided'"
    )
    connection.execute(text(decisions).bindparams(ids=f"{prefix}%"))


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _number(one: Flag) -> int:
    return int(one.id.rpartition("-")[2])


def _case(one: Flag, order: case_queue.Ranking) -> dict[str, Any]:
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


def _words(one: Flag) -> dict[str, Any]:
    folded = fold(one.text)
    return {"case_id": f"{_number(one):032x}", "created_at": one.end, "text": folded, "grams": grams(folded)}


def serve(url: str, folder: str, listener: socket.socket) -> None:
    """Runs in the server's process."""
    import asyncio

    from pipeline.base import http_server
    from pipeline.console.console_app import create_app
    from pipeline.console.services import open_services

    app = create_app(open_services(Settings(data_dir=Path(folder)), Database(url)))

    async def forever() -> None:
        async with http_server.served(app, listener, app.state.live.hang_up):
            await asyncio.Event().wait()

    asyncio.run(forever())


@contextmanager
def served(url: str, folder: str) -> Iterator[tuple[str, int]]:
    """Run a console in a process of its own. Yields its address and the process id."""
    listener = listen("127.0.0.1", 0, "console")
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(url, folder, listener))
    process.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        httpx.get(f"{address}/healthz", timeout=120)  # The socket is already open. It answers once the app has started.
        yield address, process.pid or 0
    finally:
        process.terminate()
        process.join(5)
        process.kill()  # it still waits for the open stream of the screen
        process.join()
        listener.close()


class Screen:
    """The page of somebody else: it notes when it is told of each new case and of each decision."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._told: dict[tuple[str, str], float] = {}
        self._stream = threading.Thread(target=self._read, daemon=True)
        self._stream.start()

    def waits(self, event: str, committed: dict[str, float], patience: float = 2.0) -> list[float]:
        """Return the seconds from each commit, by case, until the page was told. One that it missed is infinite."""
        time.sleep(patience)
        # The page may hear of a decision before the answer reaches its moderator.
        return [max(0.0, self._told.get((event, case), float("inf")) - at) for case, at in committed.items()]

    def _read(self) -> None:
        # At the end the server closes the stream.
        with suppress(httpx.TransportError), self._client.stream("GET", "/queue/live", timeout=None) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    news = json.loads(line.removeprefix("data: "))
                    self._told.setdefault((news["event"], news["case"]), time.perf_counter())


class Shift:
    """What the moderators did: what their requests took, and when each decision was answered, by case."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.times: Times = defaultdict(list)
        self.decided: dict[str, float] = {}
        self._clock = clock
        self._lock = threading.Lock()

    def timed(self, name: str, act: Callable[[], httpx.Response]) -> httpx.Response:
        start = self._clock()
        answer = act()
        with self._lock:
            self.times[name].append(self._clock() - start)
        return answer.raise_for_status()

    def moderate(self, client: httpx.Client, until: float, pause: float) -> None:
        """Work a case, and wait about `pause` seconds, again and again."""
        # people do not all start at the same time
        time.sleep(random.random() * pause)
        while time.monotonic() < until:
            self.work(client)
            time.sleep(random.uniform(0.5, 1.5) * pause)

    def work(self, client: httpx.Client) -> None:
        """Look at the queue, take a case, and decide it."""
        self.timed("queue page", lambda: client.get("/queue"))
        page = self.timed("next case", lambda: client.post("/next")).text
        case, lease = _between(page, 'data-case="'), _between(page, 'id="lease-id" value="')
        form = {"lease": lease, "version": _between(page, 'id="case-version" value="'), "verdict": "dismiss"}
        self.timed("decide", lambda: client.post(f"/cases/{case}/decision", data=form))
        self.decided[case] = time.perf_counter()


def _between(page: str, opening: str) -> str:
    return page.partition(opening)[2].partition('"')[0]


def arrive(database: Database, first: int, count: int = 100) -> dict[str, float]:
    """Store `count` flags, one after the other. Return when each was committed, by case."""
    store, stored = SqlReviewStore(database), {}
    for number in range(first, first + count):
        time.sleep(random.uniform(0.05, 0.55))  # not in step with the polling of the store
        [outcome] = store.add([flag(number, "fraud", time.time() + 100 * (number - first))], time.time())
        stored[outcome.case] = time.perf_counter()
    return stored


def entered(database: Database, address: str, name: str) -> httpx.Client:
    now = time.time()
    with database.write() as connection:
        if not accounts.find_account(connection, name):
            accounts.add_account(connection, name, "moderator", now, "benchmark")
        token = sign_in.begin_session(connection, name, now)
        session = sign_in.find_session(connection, token, now)
    assert session is not None  # noqa: S101 - just begun
    return httpx.Client(base_url=address, cookies={COOKIE: token}, headers={HEADER: session.csrf}, timeout=60)


def look(client: httpx.Client, path: str, asked: dict[str, str], rounds: int = 5) -> list[float]:
    """Return the seconds of `rounds` requests for a page."""
    waits = []
    for _ in range(rounds):
        start = time.perf_counter()
        client.get(path, params=asked).raise_for_status()
        waits.append(time.perf_counter() - start)
    return waits


def line(name: str, seconds: Sequence[float]) -> None:
    p50, p95, worst = (1_000 * float(np.percentile(seconds, share)) for share in (50, 95, 100))
    print(f"{name:34}{len(seconds):6} times   p50 {p50:7.1f}   p95 {p95:7.1f}   worst {worst:7.1f} ms", flush=True)


def run(url: str, folder: str, options: argparse.Namespace) -> None:
    database = Database(url)
    fill(database, options.cases, time.time())
    age(database, options.cases, options.decided)
    with served(url, folder) as (address, process):
        clients = [entered(database, address, f"moderator-{n}") for n in range(options.moderators)]
        look_around(clients[0])
        work_alone(clients[0], process)
        shift, screen = Shift(), Screen(entered(database, address, "watcher"))
        until, busy = time.monotonic() + options.seconds, cpu_seconds(process)
        threads = [threading.Thread(target=shift.moderate, args=(client, until, options.pause)) for client in clients]
        for thread in threads:
            thread.start()
        stored = arrive(database, 10_000_000, max(10, min(100, int(3 * options.seconds))))
        for thread in threads:
            thread.join()
        busy = cpu_seconds(process) - busy
        for name, seconds in shift.times.items():
            line(name, seconds)
        requests = sum(map(len, shift.times.values()))
        print(f"{'CPU of the console':34}{requests:6} requests, {1_000 * busy / requests:.1f} ms each")
        line("told of a new case", screen.waits("arrived", stored))
        line("told of a decision", screen.waits("decided", shift.decided))
    database.close()


def look_around(client: httpx.Client) -> None:
    """Measure filters of the queue that no case matches, and searches, one after the other."""
    line("filter without matches", [wait for asked in FILTERS for wait in look(client, "/queue", asked)])
    waits = {q: look(client, "/search", {"q": q}) for q in SEARCHES}
    line("search", [wait for seconds in waits.values() for wait in seconds])
    slowest = max(waits, key=lambda q: float(np.median(waits[q])))
    line(f"  the slowest: {slowest}", waits[slowest])


def work_alone(client: httpx.Client, process: int) -> None:
    """Measure the console's CPU time for each kind of request of one person who works alone."""
    shift = Shift(partial(cpu_seconds, process))
    for _ in range(ALONE):
        shift.work(client)
    for name, seconds in shift.times.items():
        print(f"{'CPU of: ' + name:34}{ALONE:6} times   mean {1_000 * np.mean(seconds):6.1f} ms", flush=True)


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help=f"open cases, in steps of {BATCH}")
    parser.add_argument("--decided", type=int, default=0, help="older cases beside them, which search finds, too")
    parser.add_argument("--moderators", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds that each moderator spends on a case")
    parser.add_argument("--postgres", help="URL of an empty database to measure beside SQLite")
    parser.add_argument("--only-postgres", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sqlite = None if options.only_postgres else f"sqlite:///{folder}/store.db"
        for name, url in (("SQLite", sqlite), ("PostgreSQL", options.postgres)):
            if url:
                total = options.cases + options.decided
                print(f"{name}, {options.cases:,} of {total:,} cases open, {options.moderators} moderators", flush=True)
                run(url, folder, options)
    print(report.machine())


if __name__ == "__main__":
    main()
