"""The topic of dead letters, as people deal with it: read, replayed to where they came from, or dropped.

Kafka deletes no single record, and a group's committed offset can only say "all before". So a letter that is dealt with
gets a marker: a small record in the same topic that names it. The marker lives a little longer than its letter, needs
no topic, group or database of its own, and whoever reads the topic sees it.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from agents.history import History
from agents.kafka import broker_errors, producer, topic_name
from agents.records import address_of
from pipeline.errors import ConfigError, InputError
from pipeline.events import Event
from pipeline.settings import Kafka
from pipeline.topology import DEAD_LETTERS, TOPICS

HANDLED = "voxwarden-handled"
"""Of a marker: the address of the letter that is dealt with."""
REPLAYS = "voxwarden-replays"
"""Of a replayed record: how often; it stays on it if it dies again."""
REASON = "voxwarden-"
"""What the headers begin with that a letter has beside the record's own."""

MOST_REPLAYS = 3
SEND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its value, which may be large."""

    address: str
    """`topic/partition/offset` of itself ..."""
    origin: str | None
    """... and of the record that it was; None: a stage made it up."""
    stage: str
    reason: str
    at: float
    """UTC seconds."""
    size: int
    """Bytes of the value, also of one that was cut off."""
    cut: bool
    replays: int
    handled: str | None
    """`replayed`, `dropped`, `repeated` (the same record's letter stands before), or None."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters; `addresses` are their own or of their origin. Empty fields want all."""

    addresses: Collection[str] = ()
    stage: str | None = None
    reason: str | None = None
    since: float | None = None
    handled: bool = False
    """Also those that are dealt with."""

    def takes(self, letter: Letter) -> bool:
        return (
            (self.handled or not letter.handled)
            and (not self.addresses or letter.address in self.addresses or letter.origin in self.addresses)
            and (self.stage is None or letter.stage == self.stage)
            and (self.reason is None or self.reason.lower() in letter.reason.lower())
            and (self.since is None or letter.at >= self.since)
        )


def letters(kafka: Kafka, wanted: Wanted) -> list[Letter]:
    """Those that are `wanted`, the oldest first; raises InputError for an address that no letter has.

    All are read, whatever `since` says: an older one may be the same record's, and stand for it.
    """
    found: list[Letter] = []
    markers: dict[str, str] = {}
    with _history(kafka, None) as history:
        for record in history.read():
            headers = text_headers(record)
            if HANDLED in headers:
                markers[headers[HANDLED]] = headers.get("voxwarden-how", "handled")
            else:
                found.append(letter_of(record))
    found = sorted((replace(letter, handled=markers.get(letter.address)) for letter in found), key=lambda each: each.at)
    all_letters = _told_once(found)
    known = {name for letter in all_letters for name in (letter.address, letter.origin)}
    if unknown := [address for address in wanted.addresses if address not in known]:
        raise InputError(f"There is no dead letter {unknown[0]}", "`voxwarden dead-letters list --handled` shows them.")
    return [letter for letter in all_letters if wanted.takes(letter)]


def _told_once(found: Sequence[Letter]) -> list[Letter]:
    """Of letters with one origin only the first is to be handled: a worker died before it acknowledged the record."""
    first: dict[str, str] = {}
    for letter in found:
        if letter.origin:
            first.setdefault(letter.origin, letter.address)
    return [
        letter
        if letter.handled or not letter.origin or first[letter.origin] == letter.address
        else replace(letter, handled="repeated")
        for letter in found
    ]


def record_of(kafka: Kafka, letter: Letter) -> Any:
    """The Kafka record itself."""
    return next(_records(kafka, [letter]))


def send_back(kafka: Kafka, chosen: Sequence[Letter]) -> tuple[int, list[tuple[Letter, str]]]:
    """Send `chosen` to where they came from; gives how many, and those that cannot be, each with the reason.

    A letter is marked once the broker has its record: who is cut off in between replays it twice, and ids make it once.
    """
    refusals = [(letter, reason) for letter in chosen if (reason := _refusal(kafka, letter))]
    refused = {letter.address for letter, _ in refusals}
    good = {letter.address: letter for letter in chosen if letter.address not in refused}
    with _sending(kafka) as client:
        for record in _records(kafka, list(good.values())):
            letter = good[address_of(record)]
            _send(client, str(letter.origin).rsplit("/", 2)[0], _reborn(record, letter.replays + 1))
            _mark(client, kafka, letter, record.key, "replayed")
    return len(good), refusals


def drop(kafka: Kafka, chosen: Sequence[Letter]) -> int:
    """Mark `chosen` as dealt with; gives how many."""
    with _sending(kafka) as client:
        for letter in chosen:
            _mark(client, kafka, letter, None, "dropped")
    return len(chosen)


def letter_of(record: Any) -> Letter:
    headers = text_headers(record)
    place = [headers.get(REASON + part) for part in ("topic", "partition", "offset")]
    cut = headers.get("voxwarden-cut", "")
    return Letter(
        address=address_of(record),
        origin="/".join(map(str, place)) if all(place) else None,
        stage=headers.get("voxwarden-stage", "?"),
        reason=headers.get("voxwarden-error", "?"),
        at=record.timestamp / 1000,
        size=int(cut) if cut.isdecimal() else len(record.value or b""),
        cut=bool(cut),
        replays=int(headers[REPLAYS]) if headers.get(REPLAYS, "").isdecimal() else 0,
        handled=None,
    )


def text_headers(record: Any) -> dict[str, str]:
    """Of a name that comes twice, the last: a stage's reasons come after the record's own headers."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}


def _refusal(kafka: Kafka, letter: Letter) -> str | None:
    """Why it cannot be replayed."""
    if letter.origin is None:
        return "a stage made it, so there is nowhere to send it back to"
    if letter.origin.rsplit("/", 2)[0] not in {topic_name(t, kafka) for t in TOPICS if t is not DEAD_LETTERS}:
        return "its origin is none of our topics"
    if letter.cut:
        return "its value was too large to be kept"
    if letter.replays >= MOST_REPLAYS:
        return f"it has been replayed {letter.replays} times"
    return None


def _reborn(record: Any, replays: int) -> Event:
    """As it was before it died, and how often that has been undone."""
    own = [(name, value or b"") for name, value in record.headers or () if not name.startswith(REASON)]
    return Event(record.key or b"", record.value or b"", [*own, (REPLAYS, str(replays).encode())])


def _mark(client: Any, kafka: Kafka, letter: Letter, key: bytes | None, how: str) -> None:
    headers = [(HANDLED, letter.address.encode()), ("voxwarden-how", how.encode())]
    _send(client, topic_name(DEAD_LETTERS, kafka), Event(key or b"", b"", headers))


def _send(client: Any, topic: str, event: Event) -> None:
    client.send(topic, key=event.key, value=event.value, headers=event.headers).get(SEND_SECONDS)


def _records(kafka: Kafka, chosen: Sequence[Letter]) -> Iterator[Any]:
    """Their records, read again: only one value at a time is in memory."""
    wanted = {letter.address for letter in chosen}
    if not wanted:
        return
    with _history(kafka, min(letter.at for letter in chosen)) as history:
        for record in history.read():
            if address_of(record) in wanted:
                yield record


@contextmanager
def _history(kafka: Kafka, since: float | None) -> Iterator[History]:
    history = History(kafka, DEAD_LETTERS, since)
    try:
        yield history
    finally:
        history.close()


@contextmanager
def _sending(kafka: Kafka) -> Iterator[Any]:
    client = producer(kafka)
    try:
        with broker_errors(kafka):
            yield client
    finally:
        client.close()


def check_chosen(wanted: Wanted, everything: bool) -> None:
    """Raise ConfigError if somebody would replay or drop all by leaving something out."""
    if not (everything or wanted.addresses or wanted.stage or wanted.reason or wanted.since):
        raise ConfigError("No letters are named", "Give addresses, --stage, --reason or --since; or --all.")
