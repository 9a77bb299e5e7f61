"""The common parts of all formats: the flag of an event, the names at the vendor, and the request to send."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from pipeline.contract.messages import NAMESPACE, Hit, Suggestion
from pipeline.judge.labels import Labels
from pipeline.review.delivery.outbox import OutboxEvent

VendorName = Literal["tencent", "alibaba", "yidun", "shumei"]
"""A vendor's key in `elsewhere` of the labels."""


class Rendered(Struct, frozen=True):
    """A request without its URL and the headers of Standard Webhooks."""

    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = {}


class RaisedFlag(Struct, frozen=True, kw_only=True):
    """The fields of an event `flag.raised` that the formats use. Times are UTC seconds."""

    id: str
    case: str
    room: str
    speaker: str
    start: float
    end: float
    text: str
    language: str
    suggestion: Suggestion
    risk: float
    raised_at: float
    labels: dict[str, float] = {}
    flagged: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = ()
    drill: str = ""

    @property
    def stream(self) -> str:
        """The id of the speaker's stream in the room. Vendors give such an id to the task that hears one stream."""
        return str(uuid.uuid5(NAMESPACE, f"stream\x1f{self.room}\x1f{self.speaker}"))

    @property
    def words(self) -> list[str]:
        """The lexicon terms in the text, each once."""
        return list(dict.fromkeys(hit.term for hit in self.hits))

    def score(self, label: str) -> float:
        """Return the score of a label from 0 to 1, or else the risk."""
        return self.labels.get(label, self.risk)


class AtVendor(Struct, frozen=True):
    """The customer's names at the vendor, his key, and the labels with their counterparts there."""

    labels: Labels
    account: str = ""
    business: str = ""
    secret: str = ""
    data_id: str = "{room}/{speaker}"

    def name_of(self, flag: RaisedFlag) -> str:
        """Return the id that the customer gave the stream at the vendor."""
        return self.data_id.replace("{room}", flag.room).replace("{speaker}", flag.speaker)

    def counterparts(self, flag: RaisedFlag, vendor: VendorName, other: str) -> Mapping[str, str]:
        """Map the vendor's labels of a flag to ours, the worst one first. A label without a counterpart is `other`."""
        found: dict[str, str] = {}
        for ours in flag.flagged or ("",):
            label = self.labels.labels.get(ours)
            theirs = getattr(label.elsewhere, vendor) if label else ()
            found.setdefault(theirs[0] if theirs else other, ours)
        return found

    def title(self, label: str) -> str:
        """Return the Chinese name of a label."""
        found = self.labels.labels.get(label)
        return found.name("zh") if found else label


def flag_of(event: OutboxEvent) -> RaisedFlag:
    """Return the flag of an event `flag.raised`."""
    return msgspec.convert(event.payload | {"raised_at": event.created_at}, RaisedFlag)


def milliseconds(at: float) -> int:
    return round(at * 1000)


def iso(at: float, timespec: str = "seconds") -> str:
    """Return a time (UTC seconds) as RFC 3339 text."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def encoded(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(body)
