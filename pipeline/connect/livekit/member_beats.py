"""Which members of `livekit.members` are alive: each writes beats to the store, and looks at those of the others.

The LiveKit server keeps the bot of a killed process in its rooms for up to a minute, so its lists come too late.
"""

import time
from collections.abc import Callable

from sqlalchemy import select

from pipeline.base.errors import DependencyError
from pipeline.review.database import Database, upsert
from pipeline.review.tables.case_tables import LIVEKIT_BEATS
from pipeline.settings import LiveKitSettings

BEAT_SECONDS = 2.0
"""Pause between two beats."""
LOST_SECONDS = 8.0
"""A member without a new beat for this long is lost. With two beats and a sweep, its rooms are heard after 15 s."""


class MemberBeats:
    """The beats of all members, as this one sees them."""

    def __init__(
        self, settings: LiveKitSettings, database: Database, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = settings.name
        self._others = frozenset(settings.members) - {settings.name}
        self._database = database
        self._clock = clock
        self._beat = time.time_ns()  # higher than those of the process before it
        self._seen: dict[str, tuple[int, float]] = {}
        """The last beat of each other member (0: none yet), and when we saw it first, by our clock."""
        self._lost: frozenset[str] = frozenset()

    def lost(self) -> frozenset[str]:
        """Write a beat, and return the members that are lost. While the store does not answer, nothing changes."""
        try:
            found = self._exchanged()
        except DependencyError:
            self._seen.clear()  # nobody could write, so all get their full time again
            return self._lost
        now = self._clock()
        for name in self._others:
            beat = found.get(name, 0)
            before, since = self._seen.setdefault(name, (beat, now))
            if beat != before:
                self._seen[name] = beat, now
                self._lost -= {name}
            elif now - since >= LOST_SECONDS:
                self._lost |= {name}
        return self._lost

    def _exchanged(self) -> dict[str, int]:
        """Write our beat, and read the last one of each member."""
        self._beat += 1
        with self._database.write() as connection:
            own = upsert(connection, LIVEKIT_BEATS).values(member=self._name, beat=self._beat)
            connection.execute(own.on_conflict_do_update(index_elements=["member"], set_={"beat": self._beat}))
        with self._database.read() as connection:
            return {row.member: row.beat for row in connection.execute(select(LIVEKIT_BEATS))}
