"""A thread that does one thing after another, for an event loop that waits.

ThreadPoolExecutor does the same with two futures, several locks and a chain of callbacks for each call. That cost more
CPU than all else that a worker does with a small batch.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

R = TypeVar("R")


class OneThread:
    """Ends with `close`, else with the process."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any] | Future[Any]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], R]) -> R:
        """Run it there; gives what it gives, and raises what it raises."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._calls.put((function, future))
        return await future

    def close(self, last: Callable[[], None]) -> None:
        """Run `last` there, after all that was asked for, and wait for it; raises what it raises."""
        ended: Future[None] = Future()
        self._calls.put((last, ended))
        self._calls.put(None)
        self._thread.join()
        ended.result()

    def _run(self) -> None:
        while call := self._calls.get():
            function, future = call
            try:
                result = function()
            except BaseException as error:
                _tell(future, future.set_exception, error)
            else:
                _tell(future, future.set_result, result)


def _tell(future: "asyncio.Future[Any] | Future[Any]", how: Callable[[Any], None], what: Any) -> None:
    """In the loop of those who wait in one; nobody does any more if it is closed."""
    if isinstance(future, Future):
        how(what)
        return
    with suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(lambda: None if future.done() else how(what))
