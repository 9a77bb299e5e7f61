"""Runs an app in a real server, in a thread."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from fastapi import FastAPI

from pipeline.base.http_server import HttpServer, listen


@contextmanager
def served(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve the console, which has live pages, or the API, which has a feed of verdicts."""
    listener = listen("127.0.0.1", port, "console")
    streams = app.state.live if hasattr(app.state, "live") else app.state.feed
    server = HttpServer(app, streams.hang_up)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def words(answer: httpx.Response) -> str:
    """Return a page without its tags."""
    return re.sub("<[^>]*>", "", answer.text)
