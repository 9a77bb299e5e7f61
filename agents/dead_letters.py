"""The topic of dead letters, as people deal with it: read, replayed to where they came from, or dropped.

Kafka deletes no single record, and a group's committed offset can only say "all before". So a letter that is dealt with
gets a marker: a small record in the same topic that names it. The marker lives a little longer than its letter, needs
no topic, group or database of its own, and whoever reads the topic sees it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from agents.history import History
from agents.kafka import broker_errors, producer, topic_name
from agents.records import address_of
from pipeline.events import Event
from pipeline.letters import MOST_REPLAYS, Content, Letter, LetterFilter, Refusals, chosen_of, told_once
from pipeline.settings import Kafka
from pipeline.topology import DEAD_LETTERS, TOPICS

HANDLED = "voxwarden-handled"
"""Of a marker: the address of the letter that is dealt with."""
REPLAYS = "voxwarden-replays"
"""Of a replayed record: how often; it stays on it if it dies again."""
REASON = "voxwarden-"
"""What the headers begin with that a letter has beside the record's own."""

SEND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class KafkaBox:
    """The dead letters of a deployment; a `Box`."""

    kafka: Kafka

    def letters(self, wanted: LetterFilter) -> list[Letter]:
        return letters(self.kafka, wanted)

    def content(self, letter: Letter) -> Content:
        return content(self.kafka, letter)

    def send_back(self, chosen: Sequence[Letter]) -> tuple[int, Refusals]:
        return send_back(self.kafka, chosen)

    def drop(self, chosen: Sequence[Letter]) -> int:
        return drop(self.kafka, chosen)


def letters(kafka: Kafka, wanted: LetterFilter) -> list[Letter]:
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
    return chosen_of(told_once(found), wanted)


def content(kafka: Kafka, letter: Letter) -> Content:
    """What the Kafka record holds."""
    record = next(_records(kafka, [letter]))
    return Content(text_headers(record), record.value or b"")


def send_back(kafka: Kafka, chosen: Sequence[Letter]) -> tuple[int, Refusals]:
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
