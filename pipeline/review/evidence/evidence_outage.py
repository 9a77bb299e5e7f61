"""An outage of the store of the clips. Nobody waits for the store meanwhile: cases come without their clips."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.review.evidence.evidence_store import EvidenceStore

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
"""Pauses before the store is asked again. They double while it answers, but takes no clip."""

log = logging.getLogger(__name__)


class StoreAway(Exception):  # noqa: N818
    """The store of the clips does not take a clip now."""


class EvidenceOutage:
    """Knows whether there is an outage of `evidence`. It begins with the first clip that the store does not take.

    A thread asks the store meanwhile, because an answer may take as long as its timeouts. `sleep` takes seconds.
    """

    def __init__(self, evidence: EvidenceStore, sleep: Callable[[float], object] | None = None) -> None:
        self._evidence = evidence
        self._over = threading.Event()
        self._sleep = sleep or self._over.wait
        self._pause = FIRST_PAUSE_SECONDS
        self.lasts = False

    @contextmanager
    def storing(self) -> Iterator[EvidenceStore]:
        """Give the store for the block. An error of the store in the block begins an outage, and raises StoreAway."""
        try:
            yield self._evidence
        except VoxwardenError as error:  # a wrong setting, too: the words must not wait for its repair
            self._begin(error)
            raise StoreAway from error
        self._pause = FIRST_PAUSE_SECONDS

    def ask(self) -> None:
        """Ask the store whether an outage begins. Raises ConfigError if the store is set up wrongly."""
        try:
            self._evidence.check()
        except DependencyError as error:
            self._begin(error)

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def _begin(self, error: VoxwardenError) -> None:
        log.warning("Cases come without their clips until the store of the clips takes them: %s", error)
        self.lasts = True
        threading.Thread(target=self._ask_again, name="asks evidence", daemon=True).start()

    def _ask_again(self) -> None:
        self._sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        while not self._over.is_set():
            try:
                self._evidence.check()
            except Exception as error:  # an error that ended the thread would make the outage endless
                log.info("The store of the clips takes none yet: %s", error)
                self._sleep(FIRST_PAUSE_SECONDS)
            else:
                log.warning("The store of the clips answers again; cases get their clips")
                self.lasts = False
                return
