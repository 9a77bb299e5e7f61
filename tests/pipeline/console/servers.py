"""Runs an app in a real server, in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from pipeline.console.server import ConsoleServer, listen


@contextmanager
def served(app: FastAPI, port: int = 0, kind: type[uvicorn.Server] = ConsoleServer) -> Iterator[str]:
    listener = listen("127.0.0.1", port, "console")
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    server = kind(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
