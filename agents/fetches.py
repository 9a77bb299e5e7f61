"""How fetches get from Faust's consumer to the loop: each is made when it is wanted, so that few records wait."""

import asyncio
from typing import Any


class Fetches:
    """One fetch at a time, made by one task and taken by another."""

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self._made: asyncio.Queue[list[Any]] = asyncio.Queue(1)

    def want(self) -> None:
        """Let the next one be made, unless it is already there."""
        if self._made.empty():
            self._wanted.set()

    @property
    def are_wanted(self) -> bool:
        return self._wanted.is_set()

    async def wanted(self) -> None:
        """Wait until one is."""
        await self._wanted.wait()

    @property
    def is_free(self) -> bool:
        """Whether `put` need not wait."""
        return self._made.empty()

    async def put(self, records: list[Any]) -> None:
        """Hand one over; waits if the last has not been taken."""
        await self._made.put(records)
        self._wanted.clear()

    async def get(self) -> list[Any]:
        """Take one; waits until it is made."""
        self.want()
        return await self._made.get()

    def get_nowait(self) -> list[Any]:
        """Take one that is there; empty if none is."""
        return [] if self._made.empty() else self._made.get_nowait()
