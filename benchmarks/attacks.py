"""Measure how much longer speakers wait while others attack `voxwarden run --api`.

    python -m benchmarks.attacks [--only flood texts] [--rounds 2] [--seconds 60]

Four people talk in real time, 40% of the time each. Each round measures them without an attack, and then under each
one. The attackers have a process of their own, whose low priority stands for another machine. They use tokens that
the speakers do not use, and begin again at once whenever they are refused:

- `stranger`: eight connections without a token send pings, also after the close
- `pings`, `fragments`, `flood`: four connections with a token send pings, empty fragments or audio as fast as they can
- `idle`, `headers`: a thousand connections to the gateway and the API say nothing, or send half a header
- `upload`: a recording with 32 channels of speech
- `texts`: two tokens send 16 requests at the same time, of a megabyte or with as many characters as allowed

A wait is from the end of an utterance until its verdict is on standard output. It includes the pause of 0.6 s that
ends an utterance. The target is a p95 of at most 1.5 times the p95 without an attack.
"""

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import httpx
import numpy as np
from rich.table import Table

from benchmarks import report
from benchmarks.capacity.microphones import playing
from benchmarks.capacity.scene import LoadScene
from pipeline.contract.messages import SAMPLE_RATE
from tests.broker import ROOT
from tests.odd.recordings import wav
from tests.ports import free_port
from tests.speech import talk

PORTS = {name: free_port() for name in ("gateway", "api", "console", "metrics")}
TOKENS = [f"token-number-{number}-of-the-benchmark" for number in range(3)]
START_SECONDS = 120.0
SETTLE_SECONDS = 10.0
"""Seconds before each measurement, in which the attack before ends and the next one begins."""
PATIENCE_SECONDS = 15.0
"""Seconds in which the last verdicts of a measurement come. The attack goes on."""
TARGET = 1.5
NONE = "none"
MANY = 1_000
PING = b"\x89\x80" + bytes(4)
FRAGMENT = b"\x00\x80" + bytes(4)
BEGIN = b"\x02\x80" + bytes(4)  # an empty first fragment
SECOND = b"\x82\xfe\x7d\x00" + bytes(4 + 32_000)  # a second of silence, 16 kHz


def connected(path: str, *headers: str) -> socket.socket:
    """A connection to the gateway that has sent its request."""
    made = socket.create_connection(("127.0.0.1", PORTS["gateway"]), 60)
    lines = [
        f"GET {path} HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *headers, "", "",
    ]  # fmt: skip
    made.sendall("\r\n".join(lines).encode())
    return made


def flood(begin: bytes, piece: bytes, number: int, token: str | None = TOKENS[1]) -> None:
    """Send `piece` as fast as possible, with other names after each close."""
    headers = [f"Authorization: Bearer {token}"] if token else []
    for name in count():
        with suppress(OSError):
            path = f"/v1/rooms/room/speakers/{number}-{name}/audio?sample_rate={SAMPLE_RATE}"
            with connected(path, *headers) as made:
                made.sendall(begin)
                while True:
                    made.sendall(piece * max(1, 32_768 // len(piece)))


def keep(what: bytes, number: int) -> None:
    """Hold many connections, and open those again that are closed."""
    port, held = PORTS["gateway" if number else "api"], list[socket.socket]()
    while True:
        while len(held) < MANY:
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", port), 60))
                held[-1].sendall(what)
                held[-1].setblocking(False)
        held = [each for each in held if not closed(each)]
        time.sleep(0.1)


def closed(made: socket.socket) -> bool:
    try:
        return not made.recv(4_096)
    except BlockingIOError:
        return False
    except OSError:
        return True


def ask(path: str, token: str, content: dict[str, Any]) -> None:
    """Send a request again and again, also if it is refused."""
    with httpx.Client(trust_env=False, timeout=600) as client:
        while True:
            with suppress(httpx.TransportError):
                client.post(
                    f"http://127.0.0.1:{PORTS['api']}/v1/{path}",
                    headers={"authorization": f"Bearer {token}"},
                    **content,
                )


def texts(number: int) -> None:
    random, words = Random(number), (ROOT / "docs" / "integrate.md").read_text("utf-8").split()
    texts = [" ".join(random.choices(words, k=20_000))[:99_000] for _ in range(10 if number % 4 < 2 else 1)]
    ask("moderations", TOKENS[1 + number % 2], {"json": {"input": texts}})


def upload(number: int) -> None:
    voices = [talk(5, Random(32 * number + channel))[: 5 * SAMPLE_RATE] for channel in range(32)]
    ask("audio/moderations", TOKENS[1], {"files": {"file": wav(*voices)}})


ATTACKS: dict[str, tuple[int, Callable[[int], None]]] = {
    "stranger": (8, partial(flood, b"", PING, token=None)),
    "pings": (4, partial(flood, b"", PING)),
    "fragments": (4, partial(flood, BEGIN, FRAGMENT)),
    "flood": (4, partial(flood, b"", SECOND)),
    "idle": (2, partial(keep, b"")),
    "headers": (2, partial(keep, b"GET / HTTP/1.1\r\nHost:")),
    "upload": (1, upload),
    "texts": (32, texts),
}
"""The number of threads of each attack, and what each of them does."""


def attack(name: str, ports: dict[str, int]) -> None:
    os.nice(19)
    PORTS.update(ports)
    number, work = ATTACKS[name]
    for each in range(number):
        Thread(target=work, args=(each,)).start()


@contextmanager
def attacked(name: str) -> Iterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=attack, args=(name, PORTS))
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


@contextmanager
def voxwarden(folder: Path) -> Iterator[tuple[int, list[tuple[float, float]]]]:
    """Run the server. Yields its process id, and a list that grows by each verdict.

    A verdict is the end of its speech, and its wait in seconds.
    """
    tokens = [{"token": token, "scopes": ["moderate"]} for token in TOKENS]
    settings = {f"{name.upper()}__PORT": str(port) for name, port in PORTS.items()} | {
        "DATA_DIR": str(folder),
        "GATEWAY__TOKENS": json.dumps(TOKENS),
        "API__TOKENS": json.dumps(tokens),
    }
    environment = os.environ | {f"VOXWARDEN_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "agents", "run", "--api", "--format", "jsonl"]
    found: list[tuple[float, float]] = []
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            Thread(target=note, args=(process.stdout, found), daemon=True).start()
            until_listening(process)
            yield process.pid, found
        finally:
            process.terminate()


def note(lines: Iterable[bytes], found: list[tuple[float, float]]) -> None:
    for line in lines:
        end = json.loads(line)["end"]
        found.append((end, time.time() - end))


def until_listening(process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", PORTS["api"])):
            return
        time.sleep(0.5)
    raise SystemExit("The server does not start.")


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=[*ATTACKS])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of each measurement")
    options = parser.parse_args()
    turns = [NONE, *options.only] * options.rounds
    found: dict[str, list[float]] = {turn: [] for turn in turns}
    with (
        tempfile.TemporaryDirectory() as folder,
        voxwarden(Path(folder)) as (_, verdicts),
        playing(LoadScene(rooms=4), PORTS["gateway"], TOKENS[0]) as player,
    ):
        player.start(SETTLE_SECONDS, len(turns) * (SETTLE_SECONDS + options.seconds + PATIENCE_SECONDS))
        for turn in turns:
            with nullcontext() if turn == NONE else attacked(turn):
                time.sleep(SETTLE_SECONDS)
                begin = time.time()
                time.sleep(options.seconds)
                end = time.time()
                time.sleep(PATIENCE_SECONDS)
            waits = [wait for at, wait in verdicts if begin <= at < end]
            report.say(turn, f"{len(waits)} utterances, at most {max(waits, default=0):.2f} s")
            found[turn] += waits
        player.sent()
    report.show(table(found))


def table(found: Mapping[str, Sequence[float]]) -> Table:
    shown = Table("attack", "utterances", "p50 s", "p95 s", "p95, ratio", f"at most {TARGET}")
    for name, waits in found.items():
        if not waits:
            raise SystemExit(f"{name}: no utterance came in time. Use more --seconds.")
        p50, p95 = np.percentile(waits, (50, 95))
        ratio = p95 / np.percentile(found[NONE], 95)
        shown.add_row(
            name, str(len(waits)), f"{p50:.2f}", f"{p95:.2f}", f"{ratio:.2f}", "yes" if ratio <= TARGET else "no"
        )
    return shown


if __name__ == "__main__":
    main()
