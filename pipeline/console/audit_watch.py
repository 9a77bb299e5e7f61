"""The console verifies the audit log in the background, for its page and for an alert."""

import logging
from collections.abc import Callable
from threading import Event

from pipeline.base.metrics import Metrics
from pipeline.review import audit_log
from pipeline.review.audit_log import ChainReport
from pipeline.review.database import Database

log = logging.getLogger(__name__)

EVERY_SECONDS = 300.0
"""Seconds between two looks at the new lines."""
WHOLE_SECONDS = 86_400.0
"""Seconds between two checks of all lines."""
MOST = 10_000
"""The most lines that are read in one transaction."""
PAUSE_SECONDS = 0.1
"""Seconds between two such transactions. A long log is checked slowly, and requests do not wait for it."""


class ChainWatch:
    """Verifies the audit log. `clock` returns UTC seconds."""

    def __init__(self, database: Database, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._whole_at = 0.0
        self._closed = Event()
        self.report: ChainReport | None = None
        """The last result. None: the first check has not ended."""
        self.at = 0.0
        """When it was made, in UTC seconds."""

    def look(self) -> None:
        """Check the new lines, and once a day all lines. A broken log stays so until the next check of all lines."""
        now = self._clock()
        whole = self.report is None or now - self._whole_at >= WHOLE_SECONDS
        if not whole and self.report and self.report.broken is not None:
            return
        report = self._check(None if whole else self.report)
        if report.unchecked:
            return
        if whole:
            self._whole_at = now
        if report.broken is not None:
            log.error("The audit log is broken at line %d: %s", report.broken, report.reason)
        self.report, self.at = report, now
        self._metrics.audit_broken.set(report.broken is not None)
        self._metrics.audit_checked.set(now)

    def close(self) -> None:
        """End a check in progress. Its result is dropped."""
        self._closed.set()

    def _check(self, known: ChainReport | None) -> ChainReport:
        """Check the lines after `known`. The report has unchecked lines only if the watch was closed meanwhile."""
        while True:
            with self._database.read() as connection:
                known = audit_log.verify_chain(connection, known, MOST)
            if not known.unchecked or self._closed.wait(PAUSE_SECONDS):
                return known
