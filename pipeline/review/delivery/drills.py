"""Writes the results of drills to DRILL_LINES: the suggestions for test speech, and the times at which rooms stopped.

A test utterance may be cut in two. Its most severe suggestion counts. So a flag that is delivered again changes
nothing.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, case, or_, select, update

from pipeline.contract.messages import Flag, Suggestion
from pipeline.review.tables.assessment_tables import DRILL_LINES, DRILLS
from pipeline.review.tables.core import CASES

RANKS: dict[Suggestion, int] = {"pass": 0, "review": 1, "block": 2}


def record(connection: Connection, flags: Sequence[Flag], at: float) -> None:
    """Write the results of the flags that belong to a drill, stored at `at` (UTC seconds).

    Speech with the mark of an unknown drill, or in a room without a line, changes nothing.
    """
    for flag in sorted((flag for flag in flags if flag.drill), key=lambda flag: (flag.drill, flag.room)):
        rank = case(RANKS, value=DRILL_LINES.c.suggestion, else_=-1)
        worse = or_(DRILL_LINES.c.suggestion.is_(None), rank < RANKS[flag.suggestion])
        line = update(DRILL_LINES).where(DRILL_LINES.c.drill == flag.drill, DRILL_LINES.c.room == flag.room, worse)
        verdict = {"suggestion": flag.suggestion, "flagged": list(flag.flagged), "heard": flag.text, "stored_at": at}
        connection.execute(line.values(verdict))


def stopped(connection: Connection, case_id: str, at: float) -> None:
    """Write that the app stopped the room of a case at `at` (UTC seconds), if the case belongs to a stop drill.

    The line keeps the time after retention has deleted the case.
    """
    query = select(CASES.c.drill, CASES.c.room).join(DRILLS, DRILLS.c.id == CASES.c.drill)
    found = connection.execute(query.where(CASES.c.id == case_id, DRILLS.c.kind == "stop")).one_or_none()
    if found:
        line = update(DRILL_LINES).where(DRILL_LINES.c.drill == found.drill, DRILL_LINES.c.room == found.room)
        connection.execute(line.values(stored_at=at))
