"""New cases as they arrive, for `voxwarden cases list --follow`."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.base.errors import DependencyError
from pipeline.review.cases.values import Case, Filters

if TYPE_CHECKING:
    from pipeline.review.review_store import ReviewStore

POLL_SECONDS = 0.5
"""Seconds between two looks into the store."""
OVERLAP_SECONDS = 10.0
"""Seconds that each look covers again: a case becomes visible later than the time that it bears."""
PAGE = 200
"""Cases that one query fetches."""


def new_cases(
    store: "ReviewStore",
    filters: Filters,
    shown: Collection[str],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Case]:
    """Yield the cases that `filters` let through as they are stored, for ever, oldest first, without those `shown`.

    `clock` returns UTC seconds. A database that does not answer is asked again.
    """
    seen, looked = set(shown), clock()
    while True:
        now = clock()
        recent = _stored_since(store, filters, looked - OVERLAP_SECONDS)
        if recent is not None:
            yield from (case for case in reversed(recent) if case.id not in seen)
            seen, looked = {case.id for case in recent}, now
        sleep(POLL_SECONDS)


def _stored_since(store: "ReviewStore", filters: Filters, since: float) -> list[Case] | None:
    """Return the cases that were stored since then, newest first; None if the database does not answer."""
    wanted = replace(filters, since=max(since, filters.since or 0.0))
    found: list[Case] = []
    try:
        while page := store.cases(wanted, found[-1].key if found else None, PAGE):
            found += page
    except DependencyError:
        return None
    return found
