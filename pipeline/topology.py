"""The way of one second of speech, as data. Two runners read it: `pipeline/local.py` and the Faust agents.

    app ──► voice.audio ──► voice.utterances ──► voice.transcripts ──► voice.flags ──► review store
               segment          transcribe            judge              deliver

Every topic is keyed by room, so a room stays in order on one partition. What cannot be handled, at any stage, goes to
`voice.dead-letters`.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.messages import AudioChunk, Flag, Message, Transcript, Utterance
from pipeline.stage import Processor

if TYPE_CHECKING:
    from pipeline.metrics import Metrics
    from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic, and what one record of it holds."""

    name: str
    message: type[Message] | None
    """None: records of any stage, as they came."""
    retention_hours: int
    """How long clean speech leaves a trace; what is flagged lives on in the review store."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. `build` names a function `(Settings, Metrics) -> Processor`, imported when the stage is started."""

    name: str
    takes: Topic
    gives: Topic | None
    batch: int
    """At most so many messages at once ..."""
    within: float
    """... or as many as came in so many seconds after the first."""
    build: str

    def processor(self, settings: "Settings", metrics: "Metrics") -> Processor[Any, Any]:
        module, function = self.build.split(":")
        made: Processor[Any, Any] = getattr(import_module(module), function)(settings, metrics)
        return made


AUDIO = Topic("voice.audio", AudioChunk, retention_hours=2)
UTTERANCES = Topic("voice.utterances", Utterance, retention_hours=24)
TRANSCRIPTS = Topic("voice.transcripts", Transcript, retention_hours=24)
FLAGS = Topic("voice.flags", Flag, retention_hours=24)
DEAD_LETTERS = Topic("voice.dead-letters", None, retention_hours=7 * 24)

TOPICS = (AUDIO, UTTERANCES, TRANSCRIPTS, FLAGS, DEAD_LETTERS)

SEGMENT = Stage("segment", AUDIO, UTTERANCES, batch=64, within=0.02, build="pipeline.audio.segment:build")
TRANSCRIBE = Stage("transcribe", UTTERANCES, TRANSCRIPTS, batch=16, within=0.02, build="pipeline.asr.transcribe:build")
JUDGE = Stage("judge", TRANSCRIPTS, FLAGS, batch=32, within=0.02, build="pipeline.judge.judge:build")
# A flag may cost the clip of the longest case, 1.5 s of CPU: a batch must be done before the group gives the work away.
DELIVER = Stage("deliver", FLAGS, None, batch=16, within=0.02, build="pipeline.review.delivery.deliver:build")

STAGES = (SEGMENT, TRANSCRIBE, JUDGE, DELIVER)
