"""List, replay and drop the records of the dead-letter topic.

Kafka cannot delete a single record, and a committed offset can only say "everything before this". So a letter that was
replayed or dropped gets a marker: a small record in the same topic that names the letter. Everyone who reads the topic
sees the marker. Kafka keeps the marker a little longer than its letter. So this module needs no other topic, no
consumer group and no database.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from agents.broker.history import History
from agents.broker.kafka_clients import broker_errors, producer, topic_name
from agents.broker.kafka_records import address_of
from pipeline.contract.cloud_events import Event
from pipeline.contract.topology import DEAD_LETTERS, TOPICS
from pipeline.runner.dead_letter_store import (
    MOST_REPLAYS,
    Content,
    Letter,
    LetterFilter,
    Refusals,
    chosen_of,
    mark_repeated,
)
from pipeline.settings import Kafka

HANDLED = "voxwarden-handled"  # header of a marker: the address of the letter that was replayed or dropped
# Header of a replayed record: the number of replays. If the record fails again, the header stays on it.
REPLAYS = "voxwarden-replays"
REASON = "voxwarden-"  # prefix of the headers that a stage adds to the record's own headers

SEND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class KafkaDeadLetters:
    """The dead letters of a Kafka deployment. Implements `DeadLetterStore`."""

    kafka: Kafka

    def letters(self, wanted: LetterFilter) -> list[Letter]:
        """Return the letters that match `wanted`, oldest first. Raises InputError for an address that no letter has."""
        found: list[Letter] = []
        markers: dict[str, str] = {}
        # Of all times: an earlier letter of the same record makes a later one a repetition.
        with closing(History(self.kafka, DEAD_LETTERS)) as history:
            for record in history.read():
                headers = text_headers(record)
                if HANDLED in headers:
                    markers[headers[HANDLED]] = headers.get("voxwarden-how", "handled")
                else:
                    found.append(letter_of(record))
        found.sort(key=lambda letter: letter.at)
        marked = [replace(letter, handled=markers.get(letter.address)) for letter in found]
        return chosen_of(mark_repeated(marked), wanted)

    def content(self, letter: Letter) -> Content:
        """Return the headers and the value of the letter's Kafka record."""
        record = next(_records(self.kafka, [letter]))
        return Content(text_headers(record), record.value or b"")

    def send_back(self, chosen: Sequence[Letter]) -> tuple[int, Refusals]:
        """Replay letters: send each record to the topic that it came from.

        Returns the number of replayed letters, and the letters that cannot be replayed with the reason.
        """
        refusals = [(letter, reason) for letter in chosen if (reason := _refusal(self.kafka, letter))]
        refused = {letter.address for letter, _ in refusals}
        good = {letter.address: letter for letter in chosen if letter.address not in refused}
        with _sending(self.kafka) as client:
            for record in _records(self.kafka, list(good.values())):
                letter = good[address_of(record)]
                _send(client, str(letter.origin).rsplit("/", 2)[0], _reborn(record, letter.replays + 1))
                # Only now. If the process ends before, the letter is replayed twice, and the ids of its results remove
                # the duplicates. A mark that comes first could lose the record.
                _mark(client, self.kafka, letter, record.key, "replayed")
        return len(good), refusals

    def drop(self, chosen: Sequence[Letter]) -> int:
        """Mark the letters as dropped and return their number."""
        with _sending(self.kafka) as client:
            for letter in chosen:
                _mark(client, self.kafka, letter, None, "dropped")
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
    """Return the headers as text."""
    # If a name comes twice, the last value wins: a stage adds its headers after the record's own.
    return {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}


def _refusal(kafka: Kafka, letter: Letter) -> str | None:
    """Return the reason why a letter cannot be replayed, or None if it can."""
    if letter.origin is None:
        return "a stage made it, so it has no topic to return to"
    if letter.origin.rsplit("/", 2)[0] not in {topic_name(t, kafka) for t in TOPICS if t is not DEAD_LETTERS}:
        return "its origin is not a topic of Voxwarden"
    if letter.cut:
        return "its value was too large and was cut off"
    if letter.replays >= MOST_REPLAYS:
        return f"it has been replayed {letter.replays} times"
    return None


def _reborn(record: Any, replays: int) -> Event:
    """Return the original record: without the headers that a stage added, and with the number of its replays."""
    own = [(name, value or b"") for name, value in record.headers or () if not name.startswith(REASON)]
    return Event(record.key or b"", record.value or b"", [*own, (REPLAYS, str(replays).encode())])


def _mark(client: Any, kafka: Kafka, letter: Letter, key: bytes | None, how: str) -> None:
    headers = [(HANDLED, letter.address.encode()), ("voxwarden-how", how.encode())]
    _send(client, topic_name(DEAD_LETTERS, kafka), Event(key or b"", b"", headers))


def _send(client: Any, topic: str, event: Event) -> None:
    client.send(topic, key=event.key, value=event.value, headers=event.headers).get(SEND_SECONDS)


def _records(kafka: Kafka, chosen: Sequence[Letter]) -> Iterator[Any]:
    """Read the records of the chosen letters again. Only one value at a time is in memory."""
    wanted = {letter.address for letter in chosen}
    if not wanted:
        return
    with closing(History(kafka, DEAD_LETTERS, min(letter.at for letter in chosen))) as history:
        for record in history.read():
            if address_of(record) in wanted:
                yield record


@contextmanager
def _sending(kafka: Kafka) -> Iterator[Any]:
    client = producer(kafka)
    try:
        with broker_errors(kafka):
            yield client
    finally:
        client.close()
