"""Dead letters as people deal with them, wherever they are kept: on Kafka, or in a file of one machine."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.errors import ConfigError, InputError

MOST_REPLAYS = 3


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its value, which may be large."""

    address: str
    """Its own: `topic/partition/offset`, or `dead-letters/ID` on one machine."""
    origin: str | None
    """The address of the record that it was. None: a stage made it, or it is audio of one machine."""
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
class LetterFilter:
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


@dataclass(frozen=True, slots=True)
class Content:
    """What a letter holds."""

    headers: dict[str, str]
    value: bytes


Refusals = list[tuple[Letter, str]]
"""Letters that cannot be replayed, each with the reason."""


class Box(Protocol):
    """Where dead letters are kept."""

    def letters(self, wanted: LetterFilter) -> list[Letter]:
        """Those that are `wanted`, the oldest first; raises InputError for an address that no letter has."""

    def content(self, letter: Letter) -> Content: ...

    def send_back(self, chosen: Sequence[Letter]) -> tuple[int, Refusals]:
        """Give `chosen` back to their stages; gives how many, and those that cannot be."""

    def drop(self, chosen: Sequence[Letter]) -> int:
        """Mark `chosen` as dealt with; gives how many."""


def check_chosen(wanted: LetterFilter, everything: bool) -> None:
    """Raise ConfigError if somebody would replay or drop all by leaving something out."""
    if not (everything or wanted.addresses or wanted.stage or wanted.reason or wanted.since):
        raise ConfigError("No letters are named", "Give addresses, --stage, --reason or --since; or --all.")


def chosen_of(found: Sequence[Letter], wanted: LetterFilter) -> list[Letter]:
    """Of all letters those that are `wanted`; raises InputError for an address that none has."""
    known = {name for letter in found for name in (letter.address, letter.origin)}
    if unknown := [address for address in wanted.addresses if address not in known]:
        raise InputError(f"There is no dead letter {unknown[0]}", "`voxwarden dead-letters list --handled` shows them.")
    return [letter for letter in found if wanted.takes(letter)]


def told_once(found: Sequence[Letter]) -> list[Letter]:
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
