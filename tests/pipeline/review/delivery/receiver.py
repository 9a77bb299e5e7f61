"""An app that receives webhooks, and answers each as the test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """A request: its headers with lower-case names, its body, and its path."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def room(self) -> str:
        return str(self.event["data"]["room"])


class Reply(NamedTuple):
    """An answer. With `hang`, none comes until the app stops. `drops` sends one byte of the answer every 50 ms. With
    `endless`, the body has no end.
    """

    status: int = 204
    retry_after: str = ""
    hang: bool = False
    drops: bool = False
    endless: bool = False
    body: bytes = b""


class ReceivingApp(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 64  # with the default of 5, the kernel drops connections that come at once

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[Got] = []
        self.answer: Callable[[Got], Reply] = lambda got: Reply()
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def rooms(self) -> list[str]:
        return [got.room for got in self.got]


class Receiver(BaseHTTPRequestHandler):
    server: ReceivingApp

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        got = Got({name.lower(): value for name, value in self.headers.items()}, body, self.path)
        self.server.got.append(got)
        reply = self.server.answer(got)
        if reply.hang:
            self.server.stopping.wait()
            self.close_connection = True
            return
        if reply.drops:
            self._drop()
            return
        if reply.endless:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self._drop()
            return
        self.send_response(reply.status)
        if reply.retry_after:
            self.send_header("retry-after", reply.retry_after)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _drop(self) -> None:
        self.close_connection = True
        try:
            while not self.server.stopping.wait(0.05):
                self.wfile.write(b"H")
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Log no requests."""


@contextmanager
def receiving() -> Iterator[ReceivingApp]:
    """Run the app while the block runs."""
    with ReceivingApp() as app:
        thread = threading.Thread(target=app.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield app
        finally:
            app.stopping.set()
            app.shutdown()
            thread.join()
