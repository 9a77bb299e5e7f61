"""Counts all speech by the hour, for figures of any past time. The counts contain no room and no person.

Beside them, the speech of each room by language is counted for some days (`room_counts.py`).

`count` runs in the transaction that stores the flags. Each utterance and each flag counts once, however often it is
delivered: COUNTED holds their ids. A flag that is released counts together with the one that was withheld, as one
flag: with the worse suggestion, and with the labels of both. Speech of a drill does not count.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, delete, select, update

from pipeline.contract.messages import UNDETERMINED, Flag, SpeechStatus, first_id, sample_of
from pipeline.review.database import insert_new, upsert
from pipeline.review.delivery import room_counts
from pipeline.review.delivery.room_counts import RoomCell
from pipeline.review.tables.assessment_tables import COUNTED, ROOM_TYPES, TALLIES

HOUR = 3_600
DAY_HOURS = 24

Measure = Literal[
    "segmented",
    "skipped",
    "failed",
    "monitored",
    "confidence",
    "marked",
    "identity",
    "listened",
    "judged",
    "flagged",
    "delay",
    "speakers",
    "rooms",
]

State = Literal["", "segmented", "failed", "skipped", "monitored", "counted"]
RANKS: dict[State, int] = {"": 0, "segmented": 1, "failed": 2, "skipped": 3, "monitored": 4}
"""An utterance moves to a state of higher rank only. The empty state is not counted yet. Other ids are `counted`."""

DELAY_ERROR = 0.05
"""The largest relative error of a quantile of the delays."""
DELAYS = tuple(float(f"{300 * 0.905**n:g}") for n in reversed(range(87)))
"""Upper bounds of the buckets of `delay`, in seconds: 0.056 to 300. The last bucket is `inf`.

The factor from bound to bound is at most (1 + error) ÷ (1 - error), as in DDSketch (Masson, Rim and Lee, VLDB 2019).
"""

SUGGESTED = ("pass", "muted", "review", "block")
"""Buckets of `judged`, from the mildest to the worst."""

OTHER = "other"
MAX_ROOM_TYPES = 200
"""Further types of rooms count as OTHER: apps choose the names, and each name adds rows."""


class Cell(NamedTuple):
    """The key of a row of TALLIES. An empty field: the measure has no such dimension."""

    hour: int
    """Hours since 1970 UTC, of the start of the speech."""
    measure: Measure
    bucket: str = ""
    room_type: str = ""
    language: str = ""
    label: str = ""
    policy: str = ""
    model: str = ""


class CountedState(NamedTuple):
    """The state in which an id was last counted."""

    state: State
    reason: str
    """Why the utterance has no flag. If it is for its language, the code of the language follows after a space.

    Of a flag that is withheld or released: its `Verdict`, as JSON.
    """


class CountedVerdict(Struct, frozen=True, array_like=True):
    """How a flag was counted."""

    bucket: str
    language: str
    model: str
    labels: tuple[str, ...]
    """The flagged labels, in alphabetical order."""

    def joined(self, other: "CountedVerdict") -> "CountedVerdict":
        """Return the verdict of both flags. The language and the model stay."""
        bucket = max(self.bucket, other.bucket, key=SUGGESTED.index)
        return CountedVerdict(bucket, self.language, self.model, tuple(sorted({*self.labels, *other.labels})))


class Tally:
    """The changes that one batch makes to TALLIES."""

    def __init__(self) -> None:
        self._changes: dict[Cell, tuple[int, int]] = {}
        self._rooms: Counter[RoomCell] = Counter()

    def add(self, cell: Cell, samples: int, times: int = 1) -> None:
        """Count an utterance or a flag of `samples` in a cell. With `times` -1, take it away."""
        count, total = self._changes.get(cell, (0, 0))
        self._changes[cell] = count + times, total + times * samples

    def add_room(self, cell: RoomCell, samples: int) -> None:
        """Count samples of a room; less than 0 take them away."""
        self._rooms[cell] += samples

    @property
    def changes(self) -> list[tuple[Cell, tuple[int, int]]]:
        """The changes of counts and samples, in the order of the keys."""
        return [(cell, change) for cell, change in sorted(self._changes.items()) if change != (0, 0)]

    def write(self, connection: Connection) -> None:
        """Add the changes to TALLIES, in the order of the keys, so that two writers never wait for each other."""
        changed = self.changes
        if changed:
            rows = [cell._asdict() | {"count": count, "samples": samples} for cell, (count, samples) in changed]
            connection.execute(_add_up(connection), rows)
        room_counts.add_room_speech(connection, self._rooms.items())


def count_batch(
    connection: Connection, batch: Sequence[Flag | SpeechStatus], at: float, muted: Collection[str] = ()
) -> Tally:
    """Count the messages of a batch that were not counted before. `at` is UTC seconds. Returns the changes.

    Flags with an id in `muted` are counted as `judged` with the bucket `muted`, whatever their suggestion.
    """
    tally = Tally()
    real = [message for message in batch if not (message.drill or _is_of_sound(message))]
    if not real:
        return tally
    seen = _seen(connection, sorted({key for message in real for key in _keys(message)}), at)
    kinds = _room_types(connection, {message.room_type for message in real}, at)
    states = {key: state for message in real for key, state in _count(tally, message, kinds, seen, at, muted)}
    _store_states(connection, states)
    tally.write(connection)
    return tally


def forget_counted(connection: Connection, before: float) -> None:
    """Delete the ids that were counted before `before` (UTC seconds), and the counts of rooms of the days before it.

    No message with such an id may arrive again.
    """
    connection.execute(delete(COUNTED).where(COUNTED.c.at < before))
    room_counts.forget_rooms(connection, before)


def bucket_of(seconds: float) -> str:
    """Return the bucket of `delay` for a number of seconds: its upper bound, or `inf`."""
    place = bisect_left(DELAYS, seconds)
    return f"{DELAYS[place]:g}" if place < len(DELAYS) else "inf"


def _is_of_sound(message: Flag | SpeechStatus) -> bool:
    """The tallies count speech. A sound is no utterance."""
    return isinstance(message, Flag) and message.source != "words"


def _count(
    tally: Tally,
    message: Flag | SpeechStatus,
    kinds: dict[str, str],
    seen: dict[bytes, CountedState],
    at: float,
    muted: Collection[str],
) -> Iterator[tuple[bytes, CountedState]]:
    """Count one message. Yields the ids whose state changes, and notes them in `seen`."""
    hour, samples = int(message.start) // HOUR, sample_of(message.end) - sample_of(message.start)
    kind = kinds[message.room_type]
    utterance, speaker, room, *flags = _keys(message)
    new = _state_of(message)
    old = seen[utterance]
    if RANKS[new.state] > RANKS[old.state]:
        _move(tally, Cell(hour, "segmented", room_type=kind), samples, old, new)
        if isinstance(message, Flag):
            _count_speech(tally, Cell(hour, "monitored", room_type=kind, language=message.language), samples, message)
        _count_room(tally, message, samples, old, new)
        seen[utterance] = new
        yield utterance, new
    for key, cell in (
        # Speakers are counted by day, in the row of its first hour.
        (speaker, Cell(hour - hour % DAY_HOURS, "speakers")),
        (room, Cell(hour, "rooms", room_type=kind)),
    ):
        if not seen[key].state:
            tally.add(cell, samples)
            seen[key] = CountedState("counted", "")
            yield key, seen[key]
    if isinstance(message, Flag):
        judged = Cell(hour, "judged", room_type=kind, policy=message.policy)
        (flag,) = flags
        found = _count_flag(tally, judged, samples, message, muted, seen[flag], at)
        if found != seen[flag]:
            seen[flag] = found
            yield flag, found


def _state_of(message: Flag | SpeechStatus) -> CountedState:
    if isinstance(message, Flag):
        return CountedState("monitored", "")
    return CountedState(message.state, f"{message.reason} {message.language}".rstrip())


def _move(tally: Tally, segmented: Cell, samples: int, old: CountedState, new: CountedState) -> None:
    """Count an utterance in its new state. `monitored` itself is counted with its language, in `_count_speech`."""
    if not old.state:
        tally.add(segmented, samples)
    for seen, times in ((old, -1), (new, 1)):
        if seen.state == "skipped" or seen.state == "failed":  # noqa: PLR1714 (mypy narrows only this)
            reason, _, language = seen.reason.partition(" ")
            tally.add(segmented._replace(measure=seen.state, bucket=reason, language=language), samples, times)


def _count_room(tally: Tally, message: Flag | SpeechStatus, samples: int, old: CountedState, new: CountedState) -> None:
    """Count an utterance in its room: with its flag, or as speech in another language."""
    day = int(message.start) // room_counts.DAY_SECONDS
    for seen, sign in ((old, -1), (new, 1)):
        if seen.state == "skipped" and (language := seen.reason.partition(" ")[2]):
            tally.add_room(RoomCell(message.room, day, language, "skipped"), sign * samples)
    if isinstance(message, Flag) and message.language != UNDETERMINED:
        tally.add_room(RoomCell(message.room, day, message.language, "monitored"), samples)


def _count_speech(tally: Tally, monitored: Cell, samples: int, flag: Flag) -> None:
    verified = {True: "yes", False: "no", None: "unknown"}[flag.identity_verified]
    tally.add(monitored, samples)
    tally.add(monitored._replace(measure="confidence", bucket=f"{int(flag.confidence * 10) / 10:.1f}"), samples)
    tally.add(monitored._replace(measure="identity", bucket=verified, language=""), samples)
    for mark in flag.marks:
        tally.add(monitored._replace(measure="marked", bucket=mark), samples)
    if flag.listeners is not None:
        tally.add(monitored._replace(measure="listened", language=""), samples * flag.listeners)


def _count_flag(
    tally: Tally, judged: Cell, samples: int, flag: Flag, muted: Collection[str], seen: CountedState, at: float
) -> CountedState:
    """Count a flag, or what it adds to the flags of the same words. Returns its new state."""
    if seen.state and not seen.reason:  # counted, and no other flag of the same words can follow
        return seen
    bucket = "muted" if flag.id in muted else flag.suggestion
    own = CountedVerdict(bucket, flag.language, flag.model, tuple(sorted(flag.flagged)))
    old = msgspec.json.decode(seen.reason, type=CountedVerdict) if seen.reason else None
    new = old.joined(own) if old else own
    for verdict, times in ((old, -1), (new, 1)):
        for cell in _verdict_cells(judged, verdict):
            tally.add(cell, samples, times)
    if flag.suggestion != "pass" and (old is None or old.bucket == "pass"):
        delay = judged._replace(measure="delay", bucket=bucket_of(at - flag.end))
        tally.add(delay._replace(language=new.language, model=new.model), samples)
    # The verdict is kept only if another flag of the same words can follow: most rows stay small.
    more_may_follow = old or flag.withheld or flag.released
    return CountedState("counted", msgspec.json.encode(new).decode() if more_may_follow else "")


def _verdict_cells(judged: Cell, verdict: CountedVerdict | None) -> Iterator[Cell]:
    if verdict is not None:
        cell = judged._replace(bucket=verdict.bucket, language=verdict.language, model=verdict.model)
        yield cell
        for label in verdict.labels:
            yield cell._replace(measure="flagged", label=label)


def _keys(message: Flag | SpeechStatus) -> list[bytes]:
    """Return the ids to count: of the utterance, of the speaker on this day, of the room in this hour, of the flag."""
    hour = int(message.start) // HOUR
    names = [
        ("utterance", message.utterance),
        ("speaker", str(hour // DAY_HOURS), message.speaker),
        ("room", str(hour), message.room),
    ]
    if isinstance(message, Flag):
        names.append(("flag", first_id(message)))
    # Hashes, because the table must not name a speaker or a room.
    return [blake2b("\x1f".join(name).encode(), digest_size=16).digest() for name in names]


def _seen(connection: Connection, keys: Sequence[bytes], at: float) -> dict[bytes, CountedState]:
    """Return the states of these ids, locked until the transaction ends. New ids are stored with an empty state."""
    # Insert first, because only rows that exist can be locked. `keys` are sorted: all writers lock in the same order.
    rows = [{"key": key, "state": "", "reason": "", "at": at} for key in keys]
    connection.execute(insert_new(connection, COUNTED), rows)
    query = select(COUNTED).where(COUNTED.c.key.in_(keys)).order_by(COUNTED.c.key).with_for_update()
    return {bytes(row.key): CountedState(row.state, row.reason) for row in connection.execute(query)}


def _store_states(connection: Connection, states: dict[bytes, CountedState]) -> None:
    rows = [
        {"its_key": key, "its_state": seen.state, "its_reason": seen.reason} for key, seen in sorted(states.items())
    ]
    if rows:
        change = update(COUNTED).where(COUNTED.c.key == bindparam("its_key"))
        connection.execute(change.values(state=bindparam("its_state"), reason=bindparam("its_reason")), rows)


def _room_types(connection: Connection, names: set[str], at: float) -> dict[str, str]:
    """Return, for each type of room, the name under which it counts: itself, or OTHER beyond MAX_ROOM_TYPES."""
    known = set(connection.scalars(select(ROOM_TYPES.c.name)))
    # No lock: two processes at once may add some more, which harms nothing.
    fresh = sorted(names - known)[: max(0, MAX_ROOM_TYPES - len(known))]
    if fresh:
        rows = [{"name": name, "first_seen_at": at} for name in fresh]
        connection.execute(insert_new(connection, ROOM_TYPES), rows)
    return {name: name if name in known or name in fresh else OTHER for name in names}


def _add_up(connection: Connection) -> Any:
    insert = upsert(connection, TALLIES)
    sums = {name: TALLIES.c[name] + insert.excluded[name] for name in ("count", "samples")}
    return insert.on_conflict_do_update(index_elements=list(TALLIES.primary_key), set_=sums)
