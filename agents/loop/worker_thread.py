"""A thread that runs one function after another for an event loop.

ThreadPoolExecutor does the same with two futures, several locks and a chain of callbacks for each call. That cost more
CPU than everything else that a worker does with a small batch.
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
    """Runs functions in one thread. The thread ends with `close` or with the process. It runs `begin` first."""

    def __init__(self, name: str, begin: Callable[[], None] = lambda: None) -> None:
        self._begin = begin
        self._calls: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any] | Future[Any]] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], R]) -> R:
        """Run `function` in the thread and return its result. Raises the errors of `function`."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._calls.put((function, future))
        return await future

    def close(self, last: Callable[[], None]) -> None:
        """Run `last` after all earlier calls, wait for it, and end the thread. Raises the errors of `last`."""
        ended: Future[None] = Future()
        self._calls.put((last, ended))
        self._calls.put(None)
        self._thread.join()
        ended.result()

    def _run(self) -> None:
        self._begin()
        while call := self._calls.get():
            function, future = call
            try:
                result = function()
            except BaseException as error:  # whatever it is, the caller must not wait for ever
                _resolve(future, future.set_exception, error)
            else:
                _resolve(future, future.set_result, result)


def _resolve(future: "asyncio.Future[Any] | Future[Any]", how: Callable[[Any], None], what: Any) -> None:
    """Set the result of a future in its own event loop."""
    if isinstance(future, Future):
        how(what)
        return
    with suppress(RuntimeError):  # the loop is closed, so nobody waits for the result
        future.get_loop().call_soon_threadsafe(lambda: None if future.done() else how(what))
