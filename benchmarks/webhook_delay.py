"""Measure how soon an app learns of flagged speech: from the end of the speech to the webhook.

    python -m benchmarks.webhook_delay [--rooms 1 8 15] [--seconds 90] [--share 0.1] [--push-to-talk] [--slow 0]

A real `voxwarden run` gets live audio by WebSocket, from one speaker in each room. They speak 40% of the time. One of
ten sentences (`--share`) breaks the rules. With `--push-to-talk`, the app tells the end of each sentence. Without it,
the server waits for a pause of 0.6 s. An app in this process receives the webhooks `flag.raised` and answers at once.
It never answers for the first `--slow` rooms.

For each number of rooms, it prints the quantiles of three times: from the end of the speech to the webhook, to the
stored flag, and from the stored flag to the webhook, and the share of the first one within the target.
"""

import base64
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks import report
from benchmarks.capacity.microphones import playing
from benchmarks.capacity.scene import LoadScene
from tests.ports import free_port
from tests.stream.processes import Process

Event = tuple[float, dict[str, Any]]
"""An event with the time of its arrival, in UTC seconds."""

TARGET_SECONDS = 1.5
PUSH_SECONDS = 0.9
TOKEN = "a-token-of-the-benchmark"  # noqa: S105
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
START_SECONDS = 120.0
WARM_SECONDS = 10.0
"""Speech in them does not count, because the conversations start one after the other."""
PATIENCE_SECONDS = 10.0
"""Seconds after the last audio in which webhooks still count."""


class ReceivingApp:
    """An HTTP server that notes when each event came. It never answers for the first `slow` rooms."""

    def __init__(self, slow: int) -> None:
        self.came: dict[str, tuple[float, dict[str, Any]]] = {}
        self.repeated = 0
        self._slow, self._over = slow, threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def listening(self) -> Iterator[None]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            self._over.set()
            self._server.shutdown()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                app.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing on the terminal."""

        return Handler

    def take(self, event: dict[str, Any]) -> None:
        now, data = time.time(), event["data"]
        if int(data["room"].rpartition("-")[2]) < self._slow:
            self._over.wait()
        self.repeated += data["id"] in self.came
        self.came.setdefault(data["id"], (now, event))


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--rooms", type=int, nargs="+", default=[1, 8, 15])
    parser.add_argument("--seconds", type=float, default=90.0, help="with the first 10 s, which do not count")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--push-to-talk", action="store_true", help=f"the target is {PUSH_SECONDS} s")
    parser.add_argument("--slow", type=int, default=0)
    options = parser.parse_args()
    target = PUSH_SECONDS if options.push_to_talk else TARGET_SECONDS
    for rooms in options.rooms:
        scene = LoadScene(rooms=rooms, codec="pcm", flagged=options.share, push_to_talk=options.push_to_talk)
        report.show(*shown(*events_of(scene, options.seconds, options.slow), rooms, target))


def events_of(scene: LoadScene, seconds: float, slow: int) -> tuple[list[Event], int]:
    """The events of a scene, with the number of those that came again."""
    app = ReceivingApp(slow)
    with app.listening(), tempfile.TemporaryDirectory() as folder, voxwarden(Path(folder), app.url) as gateway:
        with playing(scene, gateway, TOKEN) as player:
            began = player.start(WARM_SECONDS, seconds - WARM_SECONDS)
            player.sent()
        time.sleep(PATIENCE_SECONDS)
    return [(now, event) for now, event in app.came.values() if event["data"]["end"] > began], app.repeated


@contextmanager
def voxwarden(folder: Path, hook: str) -> Iterator[int]:
    """Run `voxwarden run` until the end of the block. Yields the gateway's port, once the gateway takes audio."""
    port = free_port()
    settings = {
        "DATA_DIR": str(folder),
        "GATEWAY__PORT": str(port),
        "GATEWAY__TOKENS": json.dumps([TOKEN]),
        "CONSOLE__PORT": "0",
        "METRICS__PORT": "0",
        "WEBHOOKS__URL": hook,
        "WEBHOOKS__SECRET": SECRET,
        "WEBHOOKS__FLAGS__SUGGESTIONS": '["review", "block"]',
    }
    environment = os.environ | {f"VOXWARDEN_{name}": value for name, value in settings.items()}
    process = Process([sys.executable, "-m", "agents", "run"], environment, folder / "log")
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            process.running()
            if time.monotonic() > deadline:
                raise SystemExit(f"The gateway does not start: {process.log[-2000:]}")
            time.sleep(0.2)
        yield port
    finally:
        process.close()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def shown(events: list[Event], repeated: int, rooms: int, target: float) -> tuple[Table, str]:
    if not events:
        raise SystemExit("No webhook came. Use more --seconds or a larger --share.")
    ends = np.array([event["data"]["end"] for _, event in events])
    stored = np.array([datetime.fromisoformat(event["timestamp"]).timestamp() for _, event in events])
    came = np.array([now for now, _ in events])
    table = Table("seconds", "p50", "p95", "p99", "most")
    for name, found in {
        "end of speech to webhook": came - ends,
        "end of speech to stored flag": stored - ends,
        "stored flag to webhook": came - stored,
    }.items():
        table.add_row(name, *(f"{value:.2f}" for value in (*np.percentile(found, (50, 95, 99)), found.max())))
    p95 = float(np.percentile(came - ends, 95))
    return table, (
        f"{len(events)} webhooks of {rooms} rooms, {repeated} repeated; within {target} s: "
        f"{np.mean(came - ends <= target):.0%}; p95 is {p95 / target:.2f} of the target"
    )


if __name__ == "__main__":
    main()
