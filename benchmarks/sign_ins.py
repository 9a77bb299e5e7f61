"""How much a flood of sign-ins slows the queue page: `python -m benchmarks.sign_ins [--clients 60] [--seconds 30]`.

The clients have no account. Each try has a new name and a new address, so that only the limit of password hashes holds
them back. A moderator asks for the queue page all the time, in turns without and with the flood. The last line is the
ratio of the two 95th percentiles.
"""

import argparse
import itertools
import multiprocessing
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_network
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx
import numpy as np

from benchmarks.console import BATCH, entered, fill, report, served
from pipeline.review.database import Database
from pipeline.settings import ReviewConsole

TURNS = 3
PROXIES = ReviewConsole(proxies=(ip_network("127.0.0.0/8"),))
"""Lets the clients of this machine name other addresses."""


def flood(address: str, clients: int, first: int, begun: Event, stop: Event) -> None:
    """Try to sign in until `stop`. After the first answer, set `begun`.

    Runs in a process of its own, and prints how often each status was answered.
    """
    statuses: Counter[int] = Counter()
    threads = [
        threading.Thread(target=guess, args=(address, itertools.count(first + n, clients), begun, stop, statuses))
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{'sign-ins':34}" + ", ".join(f"{count} with {status}" for status, count in sorted(statuses.items())))


def guess(address: str, numbers: Iterator[int], begun: Event, stop: Event, statuses: Counter[int]) -> None:
    with httpx.Client(base_url=address, timeout=120) as client:
        while not stop.is_set():
            number = next(numbers)
            form = {"name": f"nobody {number}", "password": "wrong"}
            from_where = {"x-forwarded-for": f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"}
            statuses[client.post("/login", data=form, headers=from_where).status_code] += 1
            begun.set()


@contextmanager
def flooded(address: str, clients: int, turn: int) -> Iterator[None]:
    spawn = multiprocessing.get_context("spawn")
    begun, stop = spawn.Event(), spawn.Event()
    process = spawn.Process(target=flood, args=(address, clients, turn * 1_000_000, begun, stop))
    process.start()
    begun.wait()
    yield
    stop.set()
    process.join()


def ask(client: httpx.Client, seconds: float) -> list[float]:
    """Ask for the queue page for `seconds`. Return the seconds of each request."""
    waits, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        client.get("/queue").raise_for_status()
        waits.append(time.perf_counter() - began)
    return waits


def measure(url: str, folder: str, options: argparse.Namespace) -> None:
    quiet: list[float] = []
    loud: list[float] = []
    with closing(Database(url)) as database:
        fill(database, options.cases, time.time())
        with served(url, folder, PROXIES) as address, entered(database, address, "moderator") as client:
            ask(client, 1)
            for turn in range(TURNS):
                quiet += ask(client, options.seconds / TURNS)
                with flooded(address, options.clients, turn):
                    loud += ask(client, options.seconds / TURNS)
    report("queue page", quiet)
    report(f"queue page, {options.clients} strangers sign in", loud)
    ratio = float(np.percentile(loud, 95)) / float(np.percentile(quiet, 95))
    print(f"p95 with the flood is {ratio:.2f} times the p95 without it")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--cases", type=int, default=10_000, help=f"open cases, in steps of {BATCH}")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds with the flood, and as many without it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(f"sqlite:///{Path(folder)}/store.db", folder, options)


if __name__ == "__main__":
    main()
