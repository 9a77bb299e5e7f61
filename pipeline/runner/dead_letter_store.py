"""Dead letters as the commands list, replay and drop them. They are kept on Kafka, or in a file on one machine."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pipeline.base.errors import ConfigError, InputError

MOST_REPLAYS = 3  # what failed so often fails again, and each replay writes one more letter


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter without its value, because the value may be large."""

    address: str
    """The letter's own address: `topic/partition/offset`, or `dead-letters/ID` on one machine."""
    origin: str | None
    """Address of the original record. None if a stage made the message, or for an audio chunk on one machine."""
    stage: str
    reason: str
    at: float
    """UTC seconds."""
    size: int
    """Bytes of the value. A value that was too large to keep counts in full."""
    cut: bool
    """The value was too large and is not kept."""
    replays: int
    handled: str | None
    """`replayed`, `dropped`, `repeated` (an earlier letter has the same origin), or None (not handled yet)."""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Selects letters. `addresses` are addresses of letters or of their origins. An empty field selects all letters."""

    addresses: Collection[str] = ()
    stage: str | None = None
    reason: str | None = None
    since: float | None = None
    handled: bool = False
    """Include letters that are already handled."""

    def takes(self, letter: Letter) -> bool:
        """Whether this filter selects `letter`."""
        return (
            (self.handled or not letter.handled)
            and (not self.addresses or letter.address in self.addresses or letter.origin in self.addresses)
            and (self.stage is None or letter.stage == self.stage)
            and (self.reason is None or self.reason.lower() in letter.reason.lower())
            and (self.since is None or letter.at >= self.since)
        )


@dataclass(frozen=True, slots=True)
class Content:
    """The message in a letter: its headers and its value."""

    headers: dict[str, str]
    value: bytes


Refusals = list[tuple[Letter, str]]
"""Letters that cannot be replayed, each with the reason."""


class DeadLetterStore(Protocol):
    """A store of dead letters."""

    def letters(self, wanted: LetterFilter) -> list[Letter]:
        """The letters that `wanted` selects, oldest first. Raises InputError for an address that no letter has."""

    def content(self, letter: Letter) -> Content:
        """Return the headers and the value (bytes) of the message that `letter` holds."""

    def send_back(self, chosen: Sequence[Letter]) -> tuple[int, Refusals]:
        """Send the `chosen` letters back to their stages. Returns how many were sent, and the refused ones."""

    def drop(self, chosen: Sequence[Letter]) -> int:
        """Mark the `chosen` letters as dropped. Returns how many."""


def check_chosen(wanted: LetterFilter, everything: bool) -> None:
    """Raise ConfigError if nothing is selected, so that nobody replays or drops all letters by mistake."""
    if not (everything or wanted.addresses or wanted.stage or wanted.reason or wanted.since):
        raise ConfigError("No letters are selected", "Give addresses, --stage, --reason or --since; or --all.")


def chosen_of(found: Sequence[Letter], wanted: LetterFilter) -> list[Letter]:
    """The letters in `found` that `wanted` selects. Raises InputError for an address that no letter has."""
    known = {name for letter in found for name in (letter.address, letter.origin)}
    if unknown := [address for address in wanted.addresses if address not in known]:
        raise InputError(f"There is no dead letter {unknown[0]}", "`voxwarden dead-letters list --handled` shows them.")
    return [letter for letter in found if wanted.takes(letter)]


def mark_repeated(found: Sequence[Letter]) -> list[Letter]:
    """Mark all but the first letter of each origin as `repeated`."""
    # A record gets several letters if a worker dies before it acknowledges the record.
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
