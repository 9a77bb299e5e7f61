"""A moderator who decides each case at once, so that later flags of the same speech meet a decided case."""

from contextlib import suppress
from threading import Event, Thread
from time import time

from pipeline.base.errors import CaseError, DependencyError
from pipeline.review.cases.values import Choice, Filters
from pipeline.review.review_store import ReviewStore, open_store
from pipeline.settings import Settings

LOOK_SECONDS = 0.25
PAGE = 200
NAME = "chaos"


class Decider:
    """`with Decider(settings) as decider`: decides cases in a thread until the block ends, and counts them."""

    def __init__(self, settings: Settings) -> None:
        self.decided = 0
        self._settings = settings
        self._over = Event()
        self._thread = Thread(target=self._run, name="moderator", daemon=True)

    def __enter__(self) -> "Decider":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        store = open_store(self._settings)
        while not self._over.wait(LOOK_SECONDS):
            with suppress(DependencyError):  # the store is locked or away; try again later
                self._decide_all(store)
        store.close()

    def _decide_all(self, store: ReviewStore) -> None:
        for case in store.cases(Filters(status="pending"), limit=PAGE):
            with suppress(CaseError):  # the case was merged into another one meanwhile
                store.decide(case.id, NAME, Choice(verdict="uphold"), time())
                self.decided += 1
