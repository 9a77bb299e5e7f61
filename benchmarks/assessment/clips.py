"""Clips in memory: the simulation stores thousands, and their bytes do not matter."""

from pipeline.review.evidence.store import EvidenceStore, clip_path


class MemoryEvidence(EvidenceStore):
    """Clips by path."""

    def __init__(self) -> None:
        self._clips: dict[str, bytes] = {}

    def put(self, case: str, start: float, clip: bytes) -> str:
        path = clip_path(case, start)
        self._clips[path] = clip
        return path

    def get(self, path: str) -> bytes | None:
        return self._clips.get(path)

    def remove(self, path: str) -> None:
        self._clips.pop(path, None)

    def sweep(self, before: float) -> None:
        """Nothing: a clip in memory is never incomplete."""
