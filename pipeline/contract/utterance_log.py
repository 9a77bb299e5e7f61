"""The log that stores audio: topics `voice.utterances` and `voice.sounds` on Kafka, or the look-back on one machine.

Audio is written once. Transcripts and flags contain only its address. The deliver stage reads flagged audio back.
"""

from collections.abc import Iterator
from typing import Protocol

from pipeline.contract.messages import Sound, Utterance


class UtteranceLog(Protocol):
    """Utterances by address, until their retention ends. Methods raise DependencyError if the log does not answer."""

    def get(self, address: str) -> Utterance | None:
        """Return the utterance at `address`, with its field `address` set; None if it was deleted or never existed."""

    def sound(self, address: str) -> Sound | None:
        """Return the sound at `address`, as `get` does with an utterance."""

    def before(self, room: str, speaker: str, start: float, seconds: float, address: str) -> list[Utterance]:
        """Return the speaker's utterances in this room that overlap the `seconds` before `start`, earliest first.

        `start` is in UTC seconds. `address` is the address of the utterance that begins at `start`; it is not in the
        result. A log that has no index by time reads backwards from this address.
        """

    def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
        """Yield the utterances of one speaker, or of all (None), in this room in the `seconds` before `end`.

        `end` is in UTC seconds. An utterance that overlaps this time is returned whole. They come in parts, in any
        order; some parts are empty. Each part is read when the caller asks for it. The caller may use the log's other
        methods in between.
        """

    def expire(self, now: float) -> None:
        """Delete utterances whose retention is over at `now` (UTC seconds). Kafka does so itself."""
        return

    def close(self) -> None:
        """Release connections and files."""
        return
