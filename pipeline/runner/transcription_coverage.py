"""Coverage: the share of utterances that was transcribed, by type of room.

On Kafka it is counted from the transcripts. On one machine it is counted from the marks in the look-back.
"""

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from pipeline.contract.messages import Transcript

if TYPE_CHECKING:
    from pipeline.review.evidence.lookback import Lookback

MAX_REMEMBERED = 100_000
"""Utterances that are remembered. After a crash a worker repeats the utterances since its last commit."""


class Coverage:
    """Counts each utterance once. An utterance that was skipped first and heard when it was repeated counts as heard.

    `remembered` is the number of utterances whose repetitions are recognised.
    """

    def __init__(self, remembered: int = MAX_REMEMBERED) -> None:
        self.heard: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._remembered = remembered
        self._recent: OrderedDict[str, bool] = OrderedDict()

    def add(self, transcript: Transcript) -> None:
        """Count the utterance of a transcript."""
        self.count(transcript.id, transcript.room_type, skipped=transcript.skipped)

    def count(self, name: str, room_type: str, *, skipped: bool) -> None:
        """Count one utterance. `name` is its id; use the same kind of id in all calls."""
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
        """All room types that were counted, in alphabetical order."""
        return sorted(self.heard.keys() | self.skipped.keys())

    def share(self, room_type: str) -> float:
        """The share of the room type's utterances that was heard, 0 to 1. It is 1 if there were none."""
        said = self.heard[room_type] + self.skipped[room_type]
        return self.heard[room_type] / said if said else 1.0

    def _remember(self, name: str, skipped: bool) -> None:
        self._recent[name] = skipped
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)


def of_lookback(lookback: "Lookback", since: float, until: float) -> tuple[Coverage, int]:
    """The coverage of utterances finished from `since` up to `until`, in UTC seconds.

    The second value is the number of utterances that failed in a stage. They are not part of the coverage.
    """
    from pipeline.review.evidence.segments import Finish

    found, failed = Coverage(), 0
    for _, utterance, mark in lookback.marked():
        if mark is None or not since <= mark.at < until:
            continue
        if mark.outcome is Finish.FAILED:
            failed += 1
        else:
            found.count(utterance.id, utterance.room_type, skipped=mark.outcome is Finish.SKIPPED)
    return found, failed
