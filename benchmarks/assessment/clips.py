"""Clips in memory: the simulation stores thousands, and their bytes do not matter."""

from collections.abc import Iterator

from pipeline.review.evidence.evidence_store import EvidenceStore


class MemoryEvidence(EvidenceStore):
    """Clips by path."""

    def __init__(self) -> None:
        self._clips: dict[str, bytes] = {}

    def write(self, path: str, clip: bytes) -> None:
        self._clips[path] = clip

    def get(self, path: str) -> bytes | None:
        return self._clips.get(path)

    def remove(self, path: str) -> None:
        self._clips.pop(path, None)

    def discard(self, path: str) -> bool:
        self.remove(path)
        return True

    @property
    def locks(self) -> bool:
        return False

    def hold(self, path: str, held: bool) -> None:
        """Nothing: only this process can delete a clip."""

    def paths(self, before: float) -> Iterator[str]:
        """Nothing: a clip in memory has its case."""
        return iter(())

    def sweep(self, before: float) -> None:
        """Nothing: a clip in memory is never incomplete."""

    def check(self) -> str:
        return "memory"
