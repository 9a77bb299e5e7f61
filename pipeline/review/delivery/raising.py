"""Events `flag.raised`: which flags make one, and what it tells the app.

The transaction that stores a flag also stores its event. A flag of decided speech makes none: the decision went out.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from pipeline.contract.messages import Flag
from pipeline.judge import labels
from pipeline.review.cases.storing import all_fields
from pipeline.review.cases.values import Outcome
from pipeline.review.delivery import outbox
from pipeline.settings import Settings

LEFT_OUT = frozenset({"words", "address"})
"""Fields of a flag that no event has: the app has no use for them, or they are large."""

MAX_BYTES = 19_000
"""The most bytes of the data of an event. With its envelope, a webhook stays below 20 kB."""

APART_SECONDS = 1e-6
"""Seconds between the events of one batch, so that they keep their order."""

SHORTENED = ("reasons", "hits", "labels")
"""Lists that are emptied, in this order, if the data is too large."""


class Raising(Struct, frozen=True):
    """The flags that make an event: those with one of the suggestions and, if `labels` is not empty, of the labels."""

    suggestions: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    most: int = 0
    """The most events that wait."""

    def put(self, connection: Connection, flags: Sequence[Flag], outcomes: Sequence[Outcome], at: float) -> None:
        """Store the events about flags that were stored at `at` (UTC seconds), with their `outcomes` in order."""
        for number, (flag, case) in enumerate(self._chosen(flags, outcomes)):
            outbox.store_event(connection, outbox.RAISED, flag.id, data(flag, case), at, at + number * APART_SECONDS)

    def _chosen(self, flags: Sequence[Flag], outcomes: Sequence[Outcome]) -> Iterator[tuple[Flag, str]]:
        for flag, outcome in zip(flags, outcomes, strict=True):
            if outcome.result in {"created", "merged"} and self._chooses(flag):
                yield flag, outcome.case

    def _chooses(self, flag: Flag) -> bool:
        return flag.suggestion in self.suggestions and not (self.labels and self.labels.isdisjoint(flag.flagged))


def build(settings: Settings) -> Raising:
    """Build the choice from the settings. Raises ConfigError for an unknown label."""
    chosen = settings.webhooks.flags
    labels.load(settings.judge.labels).check(chosen.labels, "webhooks.flags.labels")
    return Raising(frozenset(chosen.suggestions), frozenset(chosen.labels), settings.webhooks.max_waiting)


def data(flag: Flag, case: str) -> dict[str, Any]:
    """Return what the app gets about a flag: its fields, and the id of its case; at most MAX_BYTES as JSON.

    If it would be larger, `shortened` is true: lists are empty, and at last the text is cut.
    """
    found = {"case": case} | {name: value for name, value in all_fields(flag).items() if name not in LEFT_OUT}
    found["shortened"] = _size(found) > MAX_BYTES
    for name in SHORTENED:
        if _size(found) > MAX_BYTES:
            found[name] = type(found[name])()
    if (over := _size(found) - MAX_BYTES) > 0:
        text = flag.text.encode()
        found["text"] = text[: max(0, len(text) - over)].decode(errors="ignore")
    return found


def _size(found: dict[str, Any]) -> int:
    return len(msgspec.json.encode(found))
