"""Coverage: how much of what was said was heard, by type of room. On Kafka the transcripts tell it, on one machine the
marks in the look-back.
"""

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from pipeline.messages import Transcript

if TYPE_CHECKING:
    from pipeline.review.evidence.lookback import Lookback

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
        self.count(transcript.id, transcript.room_type, skipped=transcript.skipped)

    def count(self, name: str, room_type: str, *, skipped: bool) -> None:
        """`name` is an id of the utterance, always of the same kind."""
        skipped_before = self._recent.get(name)
        if skipped_before is None:
            self._remember(name, skipped)
            (self.skipped if skipped else self.heard)[room_type] += 1
        elif skipped_before and not skipped:
            self._recent[name] = False
            self.skipped[room_type] -= 1
            self.heard[room_type] += 1

    @property
    def room_types(self) -> list[str]:
        return sorted(self.heard.keys() | self.skipped.keys())

    def share(self, room_type: str) -> float:
        """Of the room type's utterances that were heard; 1 where nothing was said."""
        said = self.heard[room_type] + self.skipped[room_type]
        return self.heard[room_type] / said if said else 1.0

    def _remember(self, name: str, skipped: bool) -> None:
        self._recent[name] = skipped
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)


def of_lookback(lookback: "Lookback", since: float, until: float) -> tuple[Coverage, int]:
    """Of utterances that were finished from `since` to `until`, UTC seconds; also how many no stage could handle."""
    from pipeline.review.evidence.marks import Finish

    found, failed = Coverage(), 0
    for _, utterance, mark in lookback.marked():
        if mark is None or not since <= mark.at < until:
            continue
        if mark.outcome is Finish.FAILED:
            failed += 1
        else:
            found.count(utterance.id, utterance.room_type, skipped=mark.outcome is Finish.SKIPPED)
    return found, failed
