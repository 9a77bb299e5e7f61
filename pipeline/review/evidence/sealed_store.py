"""Evidence clips that are encrypted before they are stored."""

from collections.abc import Iterator

from pipeline.review.evidence.sealing import KeyRing, seal, unseal, wrapping_key_of
from pipeline.review.evidence.store import EvidenceStore


class SealedEvidence(EvidenceStore):
    """Encrypts clips for another store. Clips that are already there without encryption stay readable."""

    def __init__(self, inner: EvidenceStore, ring: KeyRing) -> None:
        self._inner = inner
        self.ring = ring

    def write(self, path: str, clip: bytes) -> None:
        self._inner.write(path, seal(clip, path, self.ring))

    def get(self, path: str) -> bytes | None:
        data = self._inner.get(path)
        return None if data is None else unseal(data, path, self.ring)

    def key_of(self, path: str) -> str | None:
        """Return the id of the key of a clip; empty if it is not encrypted, None if it does not exist."""
        data = self._inner.get(path)
        return None if data is None else wrapping_key_of(data, path)

    def remove(self, path: str) -> None:
        self._inner.remove(path)

    def discard(self, path: str) -> bool:
        return self._inner.discard(path)

    @property
    def locks(self) -> bool:
        return self._inner.locks

    def hold(self, path: str, held: bool) -> None:
        self._inner.hold(path, held)

    def paths(self, before: float) -> Iterator[str]:
        return self._inner.paths(before)

    def sweep(self, before: float) -> None:
        self._inner.sweep(before)

    def check(self) -> str:
        encrypted = f"encrypted with {self.ring.current}" if self.ring.current else "not encrypted by Voxwarden"
        return f"{self._inner.check()}, {encrypted}"
