"""The decided speech of the store, with the number of utterances that each case stands for.

Flagged speech is decided, and passed speech only where an audit drew it. So an audit stands for many utterances. The
weights of each language add up to its flagged and passed utterances in the tallies, as in the recall of the machine
(`pipeline/review/quality/audits.py`). Without tallies, an audit weighs 1 / its probability, and a flagged case 1.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from pipeline.review.quality.exporting import Example, PlacedExample, placed
from pipeline.review.quality.figure import Window, totals

FLAGGED = ("review", "block")

Group = tuple[str, bool]
"""A language, and whether the speech was flagged."""
Holds = Callable[[str], bool]
"""Whether speech in rooms of this type counts."""


def read(connection: Connection, since: float) -> list[PlacedExample]:
    """Return the cases that were decided since a time (UTC seconds). Passed speech counts only if an audit drew it."""
    return [each for each in placed(connection, since) if _drawn(each.example)]


def weights(connection: Connection, cases: Sequence[PlacedExample], window: Window, holds: Holds) -> list[float]:
    """Return the number of utterances that each case stands for, at least 1. All `cases` are of rooms that hold."""
    sums: dict[Group, float] = defaultdict(float)
    for each in cases:
        sums[_group(each.example)] += _inverse(each.example)
    spoken = _spoken(connection, window, holds)
    factors = {group: spoken.get(group, total) / total for group, total in sums.items()}
    return [max(1.0, _inverse(each.example) * factors[_group(each.example)]) for each in cases]


def _spoken(connection: Connection, window: Window, holds: Holds) -> dict[Group, float]:
    """The judged utterances of each group."""
    found: dict[Group, float] = defaultdict(float)
    counted = totals(connection, window, ["judged"], "language", "bucket", "room_type")
    for (language, suggestion, kind), total in counted.items():
        if holds(kind):
            found[language, suggestion in FLAGGED] += total.n
    return found


def _group(example: Example) -> Group:
    return example.language, is_flagged(example)


def is_flagged(example: Example) -> bool:
    """Whether the policy flagged the speech. If not, an audit drew it."""
    return example.suggestion in FLAGGED


def _drawn(example: Example) -> bool:
    return is_flagged(example) or example.probability is not None


def _inverse(example: Example) -> float:
    return 1 / example.probability if example.probability and not is_flagged(example) else 1.0
