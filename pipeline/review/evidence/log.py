"""The log that audio lies in: `voice.utterances` on Kafka, the look-back on one machine's disk.

Audio is written once. Transcripts and flags carry its address only; deliver reads back what was flagged.
"""

from collections.abc import Iterator
from typing import Protocol

from pipeline.messages import Utterance


class UtteranceLog(Protocol):
    """Utterances by address, for as long as they are kept. Raises DependencyError where the log does not answer."""

    def get(self, address: str) -> Utterance | None:
        """The utterance at `address`, with `address` filled in; None when it is no longer (or was never) there."""

    def before(self, room: str, speaker: str, start: float, seconds: float, address: str) -> list[Utterance]:
        """The speaker's utterances in this room that reach into the `seconds` before `start`, earliest first.

        `start` is UTC seconds; `address` is where the utterance that begins then lies, so that a log which cannot be
        searched by time reads backwards from there. The one at `address` is not among them.
        """

    def latest(self, room: str, speaker: str | None, end: float, seconds: float) -> Iterator[list[Utterance]]:
        """What one speaker, or everybody (None), said in this room in the `seconds` before `end`, in any order.

        `end` is UTC seconds. An utterance that reaches into that time is given whole. They come in parts, some of them
        empty. Each part is read when it is asked for, and the log may be asked for other things in between.
        """

    def expire(self, now: float) -> None:
        """Delete utterances that are older than their retention at `now`, UTC seconds, if the log itself must do it."""
        return

    def close(self) -> None:
        """Release connections and files."""
        return
