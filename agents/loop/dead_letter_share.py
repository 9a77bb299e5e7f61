"""Decide when a worker stops instead of sending most of its topic to the dead letters. The usual cause is a bad deploy.

The share of dead letters is taken over senders, and each sender has the same small weight. So one sender of garbage
cannot stop the worker for all others, whatever the amount. A fault that many senders have does stop it. The share of
all recent messages must be too large as well. Otherwise a little garbage from many senders would outvote a few people
who talk all the time.

The decision comes before a batch is sent and acknowledged. So the batch that exceeds the limit stays in the topic. A
restarted worker begins with an empty window, and a few bad messages are enough to halt it again. It reads the same
backlog, a whole batch at once, and halts before it has sent anything. If the backlog arrives in small parts, a
restarted worker sends on everything before the fourth bad sender. Those dead letters can be replayed.
"""

from collections import Counter, deque
from collections.abc import Hashable, Sequence

from pipeline.base.errors import VoxwardenError
from pipeline.base.recent_dict import RecentDict

SENDERS = 100  # the share is taken over this many senders, the most recent ones

WEIGHT = 2  # only this many of a sender's last messages count

# Size of the window over all senders. The share of bad messages in it must exceed the limit, too.
MESSAGES = 200

# The smallest number of bad messages that halts a worker. They come from at least four senders.
ENOUGH = 8


class HaltError(VoxwardenError):
    """The share of dead letters exceeds `kafka.dead_letter_share`."""


class DeadLetterShare:
    """The share of dead letters among the recent messages of one worker, 0 to 1. With `limit` 1 it never halts."""

    def __init__(self, stage: str, limit: float) -> None:
        self._stage = stage
        self._limit = limit
        # For each sender, whether each of the last messages was bad. The sender heard last comes last.
        self._bad = RecentDict[Hashable, deque[bool]](SENDERS)
        self._all: deque[bool] = deque(maxlen=MESSAGES)

    @property
    def share(self) -> float:
        return self._count(True) / self._count() if self._bad else 0.0

    def add(self, messages: Sequence[Hashable], letters: Sequence[Hashable]) -> None:
        """Add a batch before it is sent: the sender of each message and of each dead letter.

        Raises HaltError if the batch must not be sent.
        """
        bad = Counter(letters)
        good = Counter(messages) - bad  # never below 0: an output of an earlier message may be a letter, too
        for sender in dict.fromkeys((*messages, *letters)):
            self._note(sender, [False] * min(good[sender], WEIGHT) + [True] * min(bad[sender], WEIGHT))
        self._all.extend([False] * good.total() + [True] * bad.total())
        of_all = sum(self._all) / max(1, len(self._all))
        if self._count(True) >= ENOUGH and min(self.share, of_all) > self._limit:
            raise HaltError(
                f"{self._stage} halts: {self._count(True)} of the last {self._count()} messages are dead letters, "
                f"with at most {WEIGHT} of each sender",
                "Fix the cause, or raise kafka.dead_letter_share. `voxwarden dead-letters list` shows the reasons.",
            )

    def _note(self, sender: Hashable, bad: Sequence[bool]) -> None:
        self._bad[sender] = deque((*self._bad.get(sender, ()), *bad), maxlen=WEIGHT)

    def _count(self, only_bad: bool = False) -> int:
        return sum(sum(each) if only_bad else len(each) for each in self._bad.values())
