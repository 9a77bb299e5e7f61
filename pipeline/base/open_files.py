"""The number of files and sockets that a process may have open. Each connection is one."""

import contextlib
import resource
import socket
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

from pipeline.base import logs

C = TypeVar("C")

MOST = 65_536  # the limit of some systems is a thousand millions, and some libraries go through all numbers
# asyncio's `backlog`: connections that a server accepts in one turn of the event loop. One that we end at once keeps
# its file for about four turns. With uvicorn's 2,048, a burst uses up all files, and asyncio logs each attempt.
ACCEPTED_AT_ONCE = 8
WAITING = 128  # connections that may wait in the kernel to be accepted, for each listener


def raise_limit() -> None:
    """Raise the soft limit of this process, and of those that it starts, as far as the hard one and MOST allow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _counted(soft) < _counted(hard):
        with contextlib.suppress(OSError, ValueError):  # macOS allows less than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (_counted(hard), hard))


def limit() -> int:
    """Return the soft limit, at most MOST."""
    return _counted(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def let_wait(listeners: Iterable[socket.socket]) -> None:
    """Let WAITING connections wait at each listener: asyncio has let only ACCEPTED_AT_ONCE wait."""
    logs.without_repeats("asyncio")  # it would log each connection that it cannot accept
    for listener in listeners:
        with listener.dup() as same:  # asyncio's wrapper of a socket has no `listen`
            same.listen(WAITING)


class Shares(Generic[C]):
    """The open connections of a server: at most `most`, and `most_of_address` of one address.

    Anyone can open connections that ask for nothing. So when there are too many, the oldest one that waits for its
    request gives way.
    """

    def __init__(self, most: int, most_of_address: int) -> None:
        self._most, self._most_of_address = most, most_of_address
        self._addresses: dict[C, str] = {}
        self._counts: Counter[str] = Counter()
        self._waiting: dict[C, None] = {}
        self._waiting_of: defaultdict[str, dict[C, None]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, connection: C, address: str) -> C | None:
        """Add a connection that waits. Returns the one to end: another one, or this one if no other one waits."""
        crowded, full = self._counts[address] >= self._most_of_address, len(self) >= self._most
        self._addresses[connection] = address
        self._counts[address] += 1
        self._waiting[connection] = self._waiting_of[address][connection] = None
        if not crowded and not full:
            return None
        gone = next(iter(self._waiting_of[address] if crowded else self._waiting))
        self.discard(gone)
        return gone

    def keep(self, connection: C) -> None:
        """Note that a connection has sent its request: it gives way no more."""
        if connection in self._addresses:
            self._waiting.pop(connection, None)
            self._waiting_of[self._addresses[connection]].pop(connection, None)

    def discard(self, connection: C) -> None:
        """Take out a connection, if it is still in."""
        self.keep(connection)
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address], self._waiting_of[address]


def _counted(number: int) -> int:
    return MOST if number == resource.RLIM_INFINITY else min(number, MOST)
