"""Writes the verdicts on the speech of drills to DRILL_LINES, in the transaction that stores the flags.

A test utterance may be cut in two. Its worst verdict counts, so a flag that is delivered again changes nothing.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, case, or_, update

from pipeline.messages import Flag, Suggestion
from pipeline.review.tables.duties import DRILL_LINES

RANKS: dict[Suggestion, int] = {"pass": 0, "review": 1, "block": 2}


def record(connection: Connection, flags: Sequence[Flag], at: float) -> None:
    """Write the verdicts of the flags that belong to a drill, stored at `at` (UTC seconds).

    Speech with the mark of an unknown drill, or in a room without a line, changes nothing.
    """
    for flag in sorted((flag for flag in flags if flag.drill), key=lambda flag: (flag.drill, flag.room)):
        rank = case(RANKS, value=DRILL_LINES.c.suggestion, else_=-1)
        worse = or_(DRILL_LINES.c.suggestion.is_(None), rank < RANKS[flag.suggestion])
        line = update(DRILL_LINES).where(DRILL_LINES.c.drill == flag.drill, DRILL_LINES.c.room == flag.room, worse)
        verdict = {"suggestion": flag.suggestion, "flagged": list(flag.flagged), "heard": flag.text, "stored_at": at}
        connection.execute(line.values(verdict))
