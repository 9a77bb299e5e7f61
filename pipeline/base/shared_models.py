"""Models that are in memory once, although several parts of a process use them."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class SharedModels(Generic[T]):
    """Keeps what `get` built for as long as anybody else uses it."""

    def __init__(self) -> None:
        self._kept: WeakValueDictionary[str, T] = WeakValueDictionary()
        self._lock = Lock()

    def get(self, key: str, build: Callable[[], T]) -> T:
        """Return what was built for `key` and is still in use, or else build it. Others wait meanwhile."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                found = self._kept[key] = build()
            return found
