"""Stored transcripts as one stream, from Kafka or from a file."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from agents.broker.history import History
from pipeline.base.errors import BadMessage, TextError, VoxwardenError
from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Transcript
from pipeline.contract.topology import TRANSCRIPTS
from pipeline.judge.text_transcripts import transcripts
from pipeline.settings import Kafka, Settings

StoredTranscript = Transcript | VoxwardenError
"""A transcript, or the error of one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Source:
    stream: Iterator[StoredTranscript]
    total: int | None
    """Upper limit for the number of transcripts; None if unknown."""


@contextmanager
def from_kafka(kafka: Kafka, since: float | None, until: float | None) -> Iterator[Source]:
    """Give the transcripts that `voice.transcripts` got from `since` on and before `until` (UTC seconds)."""
    with closing(History(kafka, TRANSCRIPTS, since, until)) as history:
        yield Source(filter(None, (_decoded(record.value, record.headers) for record in history.read())), history.total)


@contextmanager
def from_file(path: Path, since: float | None, until: float | None) -> Iterator[Source]:
    """Give the transcripts of a JSON-lines file whose speech began from `since` on and before `until` (UTC seconds).

    Raises TextError if the file cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise TextError(f"{path} cannot be read: {error.strerror}", "Name a file of JSON lines.") from error
    with file:
        yield Source(filter(_within(since, until), transcripts(file)), None)


class TopicSpeech:
    """Reads `voice.transcripts` for backtests of policies."""

    def __init__(self, settings: Settings) -> None:
        self._kafka = settings.kafka

    def read(self, since: float, most: int) -> tuple[int, Iterator[Transcript]]:
        """Return how many transcripts were written since `since` (UTC seconds), and about `most` of them.

        They are drawn by chance. Raises ConfigError without the topic, and DependencyError.
        """
        history = History(self._kafka, TRANSCRIPTS, since)
        return history.total, self._drawn(history, most / max(1, history.total))

    def _drawn(self, history: History, share: float) -> Iterator[Transcript]:
        draw = Random()  # noqa: S311 - a sample, no secret
        with closing(history):
            for record in history.read():
                if share >= 1 or draw.random() < share:
                    found = _decoded(record.value, record.headers)
                    if isinstance(found, Transcript):
                        yield found


def _decoded(value: bytes, headers: list[tuple[str, bytes]]) -> StoredTranscript | None:
    """Return a transcript or its error; None for words so far, which the whole utterance repeats."""
    try:
        transcript = decode_event(Transcript, value, headers)
    except BadMessage as error:
        return error
    return None if transcript.early else transcript


def _within(since: float | None, until: float | None) -> Callable[[StoredTranscript], bool]:
    first = 0.0 if since is None else since
    end = float("inf") if until is None else until
    return lambda transcript: not isinstance(transcript, Transcript) or first <= transcript.start < end
