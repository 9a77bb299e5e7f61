"""Events for the app. The transaction that causes an event stores it; it is sent later, at least once.

The events of one room are a lane. An event is sent only when no earlier event of its lane is unsent, and lanes do not
wait for each other. An event is `waiting`, then `sending` until the app accepts it, then `sent`. It is `withdrawn` if
an undo came before it was sent, or if it goes nowhere, and `failed` if it was given up. An event about a flag or a
recording is deleted when it is sent or given up: a flag's holds speech, and nobody asks for either. An event that a
later one takes back is tried no more: the app gets the later one alone. Each function runs in a transaction that the
caller opened.
"""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, select, true, update

from pipeline.contract.messages import NAMESPACE, Flag
from pipeline.judge import labels
from pipeline.review.cases.case_values import Outcome
from pipeline.review.delivery.events_for_apps import ENDED, RAISED, UNDONE, flag_payload
from pipeline.review.tables.core import OUTBOX, UNSENT
from pipeline.settings import Settings

PAUSES = (1.0, 5.0, 15.0, 60.0)
"""Seconds before each further try. The last one repeats."""

GIVE_UP_SECONDS = 86_400.0
"""Seconds after which an event is given up."""

ACT = "act"
"""The suggestion in `webhooks.flags` that stands for flags that are fit for an automatic action."""
MOST_WAITING = 10_000
"""Events `flag.raised` that wait for the app. Above it, the oldest of the fullest room go: its cases stay."""
APART_SECONDS = 1e-6
"""Seconds between the events of one batch, so that they keep their order."""

TRIM_LOCK = 0x766F7864
"""Key ("voxd") of the PostgreSQL advisory lock that `trim` takes."""


class OutboxEvent(Struct, frozen=True):
    """An event that is due. `created_at` and `due_at` are UTC seconds."""

    id: str
    kind: str
    payload: dict[str, Any]
    created_at: float
    due_at: float
    attempts: int
    """Number of tries, the present one included."""

    @property
    def pause(self) -> float:
        """Seconds between this try and the next one."""
        return PAUSES[min(self.attempts, len(PAUSES)) - 1]


class Waiting(Struct, frozen=True):
    """The events that are due and not sent: their number, and the age of the oldest one in seconds."""

    events: int
    oldest: float


def store_event(
    connection: Connection, kind: str, about: str, payload: dict[str, Any], at: float, send_at: float
) -> str:
    """Store an event of `kind` about the decision, flag or recording with the id `about`; return its id.

    `payload` has the fields that `events_for_apps.EVENTS` lists. `send_at` is the earliest time to send it. Both times
    are UTC seconds.
    """
    # An id made from the content: a transaction that runs again makes no second event.
    identity = str(uuid.uuid5(NAMESPACE, f"event\x1f{kind}\x1f{about}"))
    lane = payload.get("room", about)  # a recording has no room
    values = {"id": identity, "kind": kind, "about": about, "lane": lane, "payload": payload}
    times = {"created_at": at, "due_at": send_at, "send_at": send_at}
    connection.execute(insert(OUTBOX).values(values | times | {"attempts": 0, "error": "", "status": "waiting"}))
    return identity


class FlagEventChoice(Struct, frozen=True):
    """The flags that make an event: they have one of the suggestions and, if `labels` is not empty, of the labels.

    The transaction that stores a flag also stores its event. A flag of decided speech makes none: the decision went
    out. A flag of the words so far makes its event at once. The whole utterance makes another one only if it is worse.
    """

    suggestions: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    most: int = 0
    """The most events that wait."""

    def put(self, connection: Connection, flags: Sequence[Flag], outcomes: Sequence[Outcome], at: float) -> None:
        """Store the events about flags that were stored at `at` (UTC seconds), with their `outcomes` in order."""
        for number, (flag, outcome) in enumerate(self._chosen(flags, outcomes)):
            level = f" {flag.suggestion}{' act' if flag.act else ''}" if outcome.result == "worsened" else ""
            about = f"{flag.id}{level}"
            store_event(connection, RAISED, about, flag_payload(flag, outcome.case), at, at + number * APART_SECONDS)

    def _chosen(self, flags: Sequence[Flag], outcomes: Sequence[Outcome]) -> Iterator[tuple[Flag, Outcome]]:
        for flag, outcome in zip(flags, outcomes, strict=True):
            if outcome.result in {"created", "merged", "worsened"} and self._chooses(flag):
                yield flag, outcome

    def _chooses(self, flag: Flag) -> bool:
        if flag.suggestion in self.suggestions:
            return not (self.labels and self.labels.isdisjoint(flag.flagged))
        return ACT in self.suggestions and any(not self.labels or label in self.labels for label in flag.act)


def build_flag_event_choice(settings: Settings) -> FlagEventChoice:
    """Build the choice from the settings. Raises ConfigError for an unknown label."""
    chosen = settings.webhooks.flags
    labels.load_labels(settings.judge.labels).check(chosen.labels, "webhooks.flags.labels")
    return FlagEventChoice(frozenset(chosen.suggestions), frozenset(chosen.labels), MOST_WAITING)


def withdraw(connection: Connection, about: str, at: float) -> None:
    """Withdraw the events about the decision `about`.

    Unsent events are never sent. For each event that the app may already have, store a `case.undone` event.
    """
    # Locked, because a sender may take the event at this moment.
    query = select(OUTBOX).where(OUTBOX.c.about == about).with_for_update()
    for event in connection.execute(query).all():
        if event.status == "waiting":
            connection.execute(update(OUTBOX).where(OUTBOX.c.id == event.id).values(status="withdrawn"))
        elif event.status in {"sending", "sent"}:
            store_event(connection, UNDONE, about, dict(event.payload), at, at)


def any_due(connection: Connection, at: float) -> bool:
    """Tell whether `take` would return an event at `at` (UTC seconds). It locks nothing."""
    return connection.execute(_due(true(), at, 1)).first() is not None


def take(connection: Connection, at: float, hold: float, limit: int, retries: int) -> list[OutboxEvent]:
    """Return the first event of each lane if it is due at `at` (UTC seconds), earliest first, at most `limit`.

    At most `retries` of them were tried before. For `hold` seconds no other sender gets them.
    """
    # Retries come first, but get a share of the places only, so that fresh events go out, too.
    rows = list(connection.execute(_locked(_due(OUTBOX.c.attempts > 0, at, min(retries, limit)))))
    rows += connection.execute(_locked(_due(OUTBOX.c.attempts == 0, at, limit - len(rows))))
    taken = [
        event
        for row in sorted(rows, key=lambda row: (row.send_at, row.id))
        if not _taken_back(connection, event := _event(row))
    ]
    for event in taken:
        # If this process ends, the event is due again after `hold`.
        _set(connection, event, status="sending", attempts=event.attempts, send_at=at + hold)
    return taken


def sent(connection: Connection, event: OutboxEvent, at: float) -> None:
    """Record that the app accepted the event at `at` (UTC seconds)."""
    _settle(connection, event, "sent", "", send_at=at)


def refused(connection: Connection, event: OutboxEvent, error: str, next_at: float) -> bool:
    """Plan the next try of an event that failed with `error` at `next_at` (UTC seconds).

    Return True if the event is given up instead, because of its age. An event that was taken back is withdrawn.
    """
    if _taken_back(connection, event):
        return False
    # By age and not by number of tries: an app may be down for a night.
    if next_at > event.due_at + GIVE_UP_SECONDS:
        _settle(connection, event, "failed", error)
        return True
    _set(connection, event, error=error[:500], send_at=next_at)
    return False


def leave_out(connection: Connection, event: OutboxEvent, reason: str) -> None:
    """Withdraw an event that was taken, because it goes nowhere."""
    _settle(connection, event, "withdrawn", reason)


def step_aside(connection: Connection, event: OutboxEvent) -> None:
    """Give the event a lane of its own, so that the later events of its room no longer wait for it."""
    _set(connection, event, lane=event.id)


def count_waiting(connection: Connection, at: float) -> Waiting:
    """Count the unsent events that are due at `at` (UTC seconds)."""
    # A console of 0.1.0 that still runs after an upgrade leaves due_at 0.
    due_at = func.coalesce(func.nullif(OUTBOX.c.due_at, 0), OUTBOX.c.created_at)
    query = select(func.count(), func.min(due_at)).where(UNSENT, due_at <= at)
    count, oldest = connection.execute(query).one()
    return Waiting(count, at - oldest if count else 0.0)


def raised(connection: Connection) -> int:
    """Count the unsent events about flags."""
    return int(connection.scalar(select(func.count()).select_from(OUTBOX).where(OUTBOX.c.kind == RAISED)) or 0)


def trim(connection: Connection, most: int) -> int:
    """Drop events about flags until `most` are left, and return the number of dropped ones.

    The oldest waiting events of the fullest room go first, so that one room cannot crowd out the others.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(TRIM_LOCK)))
    dropped = 0
    # Room by room: after its lead is gone, another room may be the fullest.
    while (over := raised(connection) - most) > 0 and (victims := _victims(connection, over)):
        connection.execute(delete(OUTBOX).where(OUTBOX.c.id.in_(victims)))
        dropped += len(victims)
    return dropped


def _event(row: Row[Any]) -> OutboxEvent:
    return OutboxEvent(row.id, row.kind, row.payload, row.created_at, row.due_at or row.created_at, row.attempts + 1)


def _taken_back(connection: Connection, event: OutboxEvent) -> bool:
    """Withdraw an event that a later one takes back. Return whether there is one."""
    about = select(OUTBOX.c.about).where(OUTBOX.c.id == event.id).scalar_subquery()
    later = select(OUTBOX.c.id).where(OUTBOX.c.about == about, OUTBOX.c.kind == UNDONE, OUTBOX.c.id != event.id)
    if event.kind in {RAISED, UNDONE} or connection.scalar(later) is None:
        return False
    _settle(connection, event, "withdrawn", "a later event takes it back")
    return True


def _due(tried: ColumnElement[bool], at: float, limit: int) -> Select[Any]:
    # The place in the lane is a subquery, because PostgreSQL locks no rows beside a window function.
    place = func.row_number().over(partition_by=OUTBOX.c.lane, order_by=(OUTBOX.c.due_at, OUTBOX.c.id))
    places = select(OUTBOX.c.id, place.label("place")).where(UNSENT).subquery()
    return (
        select(OUTBOX)
        # UNSENT again: PostgreSQL checks it anew on a row that another sender has changed meanwhile.
        .where(OUTBOX.c.id.in_(select(places.c.id).where(places.c.place == 1)), UNSENT)
        .where(OUTBOX.c.send_at <= at, tried)
        .order_by(OUTBOX.c.send_at, OUTBOX.c.id)
        .limit(limit)
    )


def _locked(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(skip_locked=True)


def _victims(connection: Connection, over: int) -> list[str]:
    """Return the oldest waiting events of the fullest lane: at most `over`, and no more than its lead."""
    lanes = select(OUTBOX.c.lane, func.count().label("events")).where(
        OUTBOX.c.kind == RAISED, OUTBOX.c.status == "waiting"
    )
    fullest = connection.execute(
        lanes.group_by(OUTBOX.c.lane).order_by(func.count().desc(), OUTBOX.c.lane).limit(2)
    ).all()
    if not fullest:
        return []
    lead = fullest[0].events - (fullest[1].events if len(fullest) > 1 else 0)
    oldest = select(OUTBOX.c.id).where(OUTBOX.c.kind == RAISED, OUTBOX.c.lane == fullest[0].lane)
    ordered = oldest.where(OUTBOX.c.status == "waiting").order_by(OUTBOX.c.due_at, OUTBOX.c.id)
    return list(connection.scalars(ordered.limit(min(over, max(1, lead)))))


def _settle(connection: Connection, event: OutboxEvent, status: str, error: str, **values: Any) -> None:
    if event.kind in {RAISED, ENDED}:
        connection.execute(delete(OUTBOX).where(OUTBOX.c.id == event.id))
    else:
        _set(connection, event, status=status, error=error[:500], **values)


def _set(connection: Connection, event: OutboxEvent, **values: Any) -> None:
    connection.execute(update(OUTBOX).where(OUTBOX.c.id == event.id).values(values))
