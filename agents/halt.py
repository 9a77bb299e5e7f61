"""When a worker stops rather than drain its topic into the dead letters: a bad deploy, most often.

The share is taken over senders, and each has the same small weight. So one sender who sends nothing but garbage cannot
stop the worker for all others, however much it is; a fault that many senders have does. It has to be a share of the
messages, too: else a little garbage under many names would outvote a few people who talk all the time.

Judged before a batch is sent and acknowledged, so the batch that tips it stays in the topic. A worker that a supervisor
starts again begins with an empty window, therefore a few bad records are enough: it finds the same backlog, a whole
batch of it at once, and halts again before it has sent anything. Where the backlog comes in dribs, a restart sends on
what comes before the fourth bad sender; it can be replayed.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Sequence

from pipeline.errors import VoxwardenError

SENDERS = 100
"""Those heard last, of whom the share is taken."""

WEIGHT = 2
"""Of each sender only the last two messages count."""

MESSAGES = 200
"""The last ones, whoever sent them, of which a share has to be bad as well."""

ENOUGH = 8
"""Bad ones among these before it halts: of four senders at the least."""


class HaltError(VoxwardenError):
    """The share of dead letters is too large to go on."""


class DeadLetterShare:
    """Of the last messages of each sender that one worker heard lately. `limit` 1 never halts."""

    def __init__(self, stage: str, limit: float) -> None:
        self._stage = stage
        self._limit = limit
        self._bad: OrderedDict[Hashable, deque[bool]] = OrderedDict()
        """Whether each of a sender's last messages was bad; who was heard last is last."""
        self._all: deque[bool] = deque(maxlen=MESSAGES)

    @property
    def share(self) -> float:
        return self._count(True) / self._count() if self._bad else 0.0

    def add(self, messages: Sequence[Hashable], letters: Sequence[Hashable]) -> None:
        """A batch that is about to be sent, as the sender of each message and of each dead letter.

        Raises HaltError if it must not be sent.
        """
        bad = Counter(letters)
        good = Counter(messages) - bad
        for sender in dict.fromkeys((*messages, *letters)):
            self._note(sender, [False] * min(good[sender], WEIGHT) + [True] * min(bad[sender], WEIGHT))
        self._all.extend([False] * good.total() + [True] * bad.total())
        of_all = sum(self._all) / max(1, len(self._all))
        if self._count(True) >= ENOUGH and min(self.share, of_all) > self._limit:
            raise HaltError(
                f"{self._stage} halts: {self._count(True)} of the last {self._count()} messages are dead letters, "
                f"with at most {WEIGHT} of each sender",
                "Mend the cause, or raise kafka.dead_letter_share; `voxwarden dead-letters list` shows reasons.",
            )

    def _note(self, sender: Hashable, bad: Sequence[bool]) -> None:
        self._bad.setdefault(sender, deque(maxlen=WEIGHT)).extend(bad)
        self._bad.move_to_end(sender)
        if len(self._bad) > SENDERS:
            self._bad.popitem(last=False)

    def _count(self, only_bad: bool = False) -> int:
        return sum(sum(each) if only_bad else len(each) for each in self._bad.values())
