"""The state of the audit log for its page: the console verifies the chain in the background."""

import logging
from collections.abc import Callable

from pipeline.review import audit
from pipeline.review.audit import ChainReport
from pipeline.review.database import Database

log = logging.getLogger(__name__)

EVERY_SECONDS = 300.0
"""Seconds between two looks at the new lines."""
WHOLE_SECONDS = 86_400.0
"""Seconds between two checks of all lines."""


class ChainWatch:
    """Verifies the audit log. `clock` returns UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._whole_at = 0.0
        self.report: ChainReport | None = None
        """The last result. None: the first check has not ended."""
        self.at = 0.0
        """When it was made, in UTC seconds."""

    def look(self) -> None:
        """Check the new lines, and once a day all lines."""
        now = self._clock()
        whole = self.report is None or now - self._whole_at >= WHOLE_SECONDS
        with self._database.read() as connection:
            report = audit.verify(connection, None if whole else self.report)
        if whole:
            self._whole_at = now
        if report.broken is not None:
            log.error("The audit log is broken at line %d: %s", report.broken, report.reason)
        self.report, self.at = report, now
