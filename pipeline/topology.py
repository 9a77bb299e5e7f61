"""The pipeline as data: topics and the stages between them. Two runners read it: `pipeline/local.py` and the agents.

    app ──► voice.audio ──► voice.utterances ──► voice.transcripts ──► voice.flags ──► review store
               segment          transcribe            judge              deliver

A stage may take and give several topics. To add a stage, write its processor in a folder of its own and add an entry
to STAGES. Both runners, `voxwarden worker`, the metrics and the contract then know it.

Every topic is keyed by room, so a room stays in order on one partition. A message that a stage cannot handle goes to
`voice.dead-letters`.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.messages import AudioChunk, Flag, Message, Transcript, Utterance
from pipeline.stage import Processor

if TYPE_CHECKING:
    from pipeline.metrics import Metrics
    from pipeline.review.evidence.log import UtteranceLog
    from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic, and the kind of message in its records."""

    name: str
    message: type[Message] | None
    """None: records of any stage, as they came."""
    retention_hours: float
    """The default of kafka.retention_hours.KEY. Flagged speech lives longer: in the review store."""

    @property
    def key(self) -> str:
        """The topic's name in the settings."""
        return self.name.removeprefix("voice.").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline."""

    name: str
    takes: tuple[Topic, ...]
    gives: tuple[Topic, ...]
    """Each with another kind of message: the kind of an output says which topic it goes to."""
    build: str
    """`module:function`. The function makes the processor from (Settings, Metrics), and from an UtteranceLog if
    `reads_audio`. It is imported when the stage is started."""
    batch: int
    """Messages handed over at once, at most: the default of stages.NAME.batch."""
    wait_seconds: float
    """A batch is handed over so long after its first message, full or not: the default of stages.NAME.wait_seconds."""
    holds: bool = False
    """The processor is a `HoldingProcessor`: it keeps messages between batches."""
    reads_audio: bool = False
    """The processor reads audio back from the log of utterances."""
    stores: bool = False
    """The processor needs the database."""

    def processor(
        self, settings: "Settings", metrics: "Metrics", log: "UtteranceLog | None" = None
    ) -> Processor[Any, Any]:
        """The stage's processor, which reads audio back from `log` if the stage `reads_audio`."""
        module, function = self.build.split(":")
        build = getattr(import_module(module), function)
        made: Processor[Any, Any] = build(settings, metrics, *([log] if self.reads_audio else []))
        return made


AUDIO = Topic("voice.audio", AudioChunk, retention_hours=2)
UTTERANCES = Topic("voice.utterances", Utterance, retention_hours=24)
TRANSCRIPTS = Topic("voice.transcripts", Transcript, retention_hours=24)
FLAGS = Topic("voice.flags", Flag, retention_hours=24)
DEAD_LETTERS = Topic("voice.dead-letters", None, retention_hours=7 * 24)

TOPICS = (AUDIO, UTTERANCES, TRANSCRIPTS, FLAGS, DEAD_LETTERS)

SEGMENT = Stage("segment", (AUDIO,), (UTTERANCES,), "pipeline.audio.segment:build", 64, 0.02, holds=True)
TRANSCRIBE = Stage("transcribe", (UTTERANCES,), (TRANSCRIPTS,), "pipeline.asr.transcribe:build", 16, 0.02)
JUDGE = Stage("judge", (TRANSCRIPTS,), (FLAGS,), "pipeline.judge.judge:build", 32, 0.02)
# A flag may cost the clip of the longest case, 1.5 s of CPU. A batch must be done before the group takes it away.
DELIVER = Stage(
    "deliver", (FLAGS,), (), "pipeline.review.delivery.deliver:build", 16, 0.02, reads_audio=True, stores=True
)

STAGES: tuple[Stage, ...] = (SEGMENT, TRANSCRIBE, JUDGE, DELIVER)
