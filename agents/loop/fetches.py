"""The handover of fetches from Faust's consumer to the loop.

A fetch is made only on request, so that few records wait.
"""

import asyncio
from typing import Any


class Fetches:
    """Holds at most one fetch. One task makes it, another takes it."""

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self._made: asyncio.Queue[list[Any]] = asyncio.Queue(1)

    def want(self) -> None:
        """Request the next fetch, unless one is ready."""
        if self._made.empty():
            self._wanted.set()

    @property
    def are_wanted(self) -> bool:
        return self._wanted.is_set()

    async def wanted(self) -> None:
        """Wait until a fetch is requested."""
        await self._wanted.wait()

    @property
    def is_free(self) -> bool:
        """Whether `put` returns without waiting."""
        return self._made.empty()

    async def put(self, records: list[Any]) -> None:
        """Hand over one fetch. Waits until the previous one has been taken."""
        await self._made.put(records)
        self._wanted.clear()

    async def get(self) -> list[Any]:
        """Request and take one fetch. Waits until it is ready."""
        self.want()
        return await self._made.get()

    def get_nowait(self) -> list[Any]:
        """Take the fetch that is ready, or an empty list."""
        return [] if self._made.empty() else self._made.get_nowait()
