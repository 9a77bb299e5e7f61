"""Tallies and assessments that tests write at once."""

from typing import Any

from sqlalchemy import Connection, insert

from pipeline.contract.messages import SAMPLE_RATE
from pipeline.review.delivery.speech_tallies import HOUR, Cell, Tally
from pipeline.review.tables.assessment_tables import ASSESSMENTS
from tests.builders import NOON

NOON_HOUR = int(NOON) // HOUR
MIDNIGHT_HOUR = NOON_HOUR - 12
DAY = 86_400.0


def tally(connection: Connection, *cells: tuple[Cell, int]) -> None:
    """Add utterances of one second each to the tallies."""
    made = Tally()
    for cell, count in cells:
        made.add(cell, SAMPLE_RATE, count)
    made.write(connection)


def finish(connection: Connection, name: str, until: float, **changes: Any) -> None:
    """Store a finished assessment of the 90 days before `until`."""
    values: dict[str, Any] = {
        "id": name,
        "title": name,
        "since": until - 90 * DAY,
        "until": until,
        "opened_by": "lea",
        "opened_at": until,
        "state": "final",
        "finished_by": "lea",
        "finished_at": until,
        "sha256": "0" * 64,
        "content": "{}",
    }
    connection.execute(insert(ASSESSMENTS).values(values | changes))
