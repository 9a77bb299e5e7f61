"""A hasher of passwords that a test can hold."""

import threading

from argon2 import PasswordHasher


class Held:
    """A hasher that counts its calls and holds them until `go`."""

    def __init__(self, hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._lock = threading.Lock()
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        self.working = self.most = self.calls = 0

    def hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def verify(self, stored: str, password: str) -> bool:
        with self._lock:
            self.calls += 1
            self.working += 1
            self.most = max(self.most, self.working)
        self.begun.release()
        self.go.wait()
        with self._lock:
            self.working -= 1
        return self._hasher.verify(stored, password)
