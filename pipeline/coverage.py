"""Coverage: how much of what was said was heard, by type of room, as the transcripts in the log tell it."""

from collections import Counter, OrderedDict

from pipeline.messages import Transcript

MAX_REMEMBERED = 100_000
"""Utterances that may come again: after a crash a worker does over what it did since its last commit."""


class Coverage:
    """Counts each utterance once; one that was skipped and heard when it came again was heard."""

    def __init__(self, remembered: int = MAX_REMEMBERED) -> None:
        self.heard: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._remembered = remembered
        self._recent: OrderedDict[str, bool] = OrderedDict()

    def add(self, transcript: Transcript) -> None:
        skipped_before = self._recent.get(transcript.id)
        if skipped_before is None:
            self._remember(transcript)
            (self.skipped if transcript.skipped else self.heard)[transcript.room_type] += 1
        elif skipped_before and not transcript.skipped:
            self._recent[transcript.id] = False
            self.skipped[transcript.room_type] -= 1
            self.heard[transcript.room_type] += 1

    @property
    def room_types(self) -> list[str]:
        return sorted(self.heard.keys() | self.skipped.keys())

    def share(self, room_type: str) -> float:
        """Of the room type's utterances that were heard; 1 where nothing was said."""
        said = self.heard[room_type] + self.skipped[room_type]
        return self.heard[room_type] / said if said else 1.0

    def _remember(self, transcript: Transcript) -> None:
        self._recent[transcript.id] = transcript.skipped
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
