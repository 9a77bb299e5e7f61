"""The pipeline as data: the topics, and the stages between them. The local runner and the Kafka agents both read it.

    app ──► voice.audio ──► voice.utterances ──► voice.transcripts ──► voice.flags ──► review store
      │        segment          transcribe            judge ▲            deliver
      └────────────────────────► voice.sounds ──────────────┘
               listen

The stage read asks a second reader about unsure flags, if `reader.url` is set: `voice.flags` ──► read ──►
`voice.readings` ──► deliver. No verdict waits for it.

Segment also writes to `voice.early` what transcribe may recognise early, in the pause that may end an utterance.
Beside them, segment, transcribe and judge write to `voice.speech` which utterances were cut, skipped or failed.
Deliver counts them (`pipeline/review/delivery/speech_tallies.py`).

A stage may take and give several topics. To add a stage, write its processor in its own folder and add an entry to
STAGES. Both runners, `voxwarden worker` and the metrics then know it. `python -m deploy.stages` and
`python -m deploy.contract` write it into the compose stack, the alert rules and the contract.

Every topic is keyed by room, or by a shard of a room (`cloud_events.py`). So the messages of a speaker stay in order on
one partition. A message that a stage cannot handle goes to `voice.dead-letters`.
"""

import math
from dataclasses import dataclass
from operator import attrgetter

from pipeline.contract.messages import (
    AudioChunk,
    EarlyUtterance,
    Flag,
    Message,
    SecondReading,
    Sound,
    SpeechStatus,
    Transcript,
    Utterance,
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic and its message type."""

    name: str
    message: type[Message] | None
    """None: unchanged records from any stage."""
    retention_hours: float
    """The default of kafka.retention_hours.KEY. The review store keeps flagged speech longer."""
    compacted: bool = False
    """It has one partition, and keeps the newest record of each key for ever."""
    kept_with: str | None = None
    """The key of the topic whose retention it has, because it says what that topic says. None: it has its own.
    Empty: no setting changes it."""

    @property
    def key(self) -> str:
        """The name of its retention in the settings."""
        own = self.name.removeprefix("voice.").replace("-", "_")
        return own if self.kept_with is None else self.kept_with


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline."""

    name: str
    takes: tuple[Topic, ...]
    gives: tuple[Topic, ...]
    """Each topic has another message type: the type of an output selects its topic."""
    build: str
    """`module:function`. The function builds the processor from (Settings, Metrics), from an UtteranceLog if
    `reads_audio`, from Rules if it `follows`, and from a RecordingBank if it `reads_store`. The module is imported when
    the stage starts (`pipeline/runner/stage_processor.py`)."""
    batch: int
    """Maximum messages in one batch. Larger batches give more throughput and later flags."""
    wait_seconds: float
    """Seconds after its first message when a batch starts, full or not."""
    holds: bool = False
    """The processor is a `HoldingProcessor`: it keeps messages between batches."""
    reads_audio: bool = False
    """The processor reads audio from the log of utterances."""
    stores: bool = False
    """The processor needs the database."""
    reads_store: bool = False
    """The processor reads the bank of recordings in the database from time to time, and works on while it is down."""
    follows: bool = False
    """The processor follows the published policies."""
    spares: bool = False
    """It leaves out live messages when it is behind: no other stage waits for it."""
    switch: str = ""
    """The setting that turns the stage on, e.g. `reader.url`. Empty: every deployment needs the stage."""
    early: Topic | None = None
    """The processor may work ahead on its messages. They are not part of its work: nothing waits for them."""

    def is_on(self, settings: object) -> bool:
        """Whether these settings turn the stage on."""
        return not self.switch or bool(attrgetter(self.switch)(settings))


AUDIO = Topic("voice.audio", AudioChunk, retention_hours=2)
UTTERANCES = Topic("voice.utterances", Utterance, retention_hours=24)
SOUNDS = Topic("voice.sounds", Sound, retention_hours=24, kept_with="flags")
TRANSCRIPTS = Topic("voice.transcripts", Transcript, retention_hours=24, kept_with="utterances")
FLAGS = Topic("voice.flags", Flag, retention_hours=24)
READINGS = Topic("voice.readings", SecondReading, retention_hours=24, kept_with="flags")
EARLY = Topic("voice.early", EarlyUtterance, retention_hours=0.25, kept_with="")
SPEECH = Topic("voice.speech", SpeechStatus, retention_hours=24, kept_with="flags")
DEAD_LETTERS = Topic("voice.dead-letters", None, retention_hours=7 * 24)

# The topics that carry speech and what is known about it.
TOPICS = (AUDIO, UTTERANCES, EARLY, SOUNDS, TRANSCRIPTS, FLAGS, READINGS, SPEECH, DEAD_LETTERS)

# The published policies, and which of them each judge uses (`agents/broker/policy_topic.py`).
POLICIES = Topic("voice.policies", None, retention_hours=math.inf, compacted=True)

SEGMENT = Stage(
    "segment", (AUDIO,), (UTTERANCES, EARLY, SPEECH), "pipeline.speech.audio.segment_stage:build", 64, 0.02, holds=True
)
LISTEN = Stage(
    "listen",
    (AUDIO,),
    (SOUNDS,),
    "pipeline.sound.listen_stage:build",
    64,
    0.02,
    holds=True,
    spares=True,
    reads_store=True,
)
TRANSCRIBE = Stage(
    "transcribe",
    (UTTERANCES,),
    (TRANSCRIPTS, SPEECH),
    "pipeline.speech.asr.transcribe_stage:build",
    16,
    0.02,
    early=EARLY,
)
JUDGE = Stage(
    "judge", (TRANSCRIPTS, SOUNDS), (FLAGS, SPEECH), "pipeline.judge.judge_stage:build", 32, 0.02, follows=True
)
# A batch takes at most twice `reader.seconds`, which is far below Kafka's rebalance timeout.
READ = Stage(
    "read",
    (FLAGS,),
    (READINGS,),
    "pipeline.judge.reader.read_stage:build",
    64,
    0.02,
    follows=True,
    spares=True,
    switch="reader.url",
)
# One flag may need the clip of the longest case: 1.5 s of CPU. A larger batch could take so long that Kafka reassigns
# its partition.
DELIVER = Stage(
    "deliver",
    (FLAGS, READINGS, SPEECH),
    (),
    "pipeline.review.delivery.deliver_stage:build",
    16,
    0.02,
    reads_audio=True,
    stores=True,
)

STAGES: tuple[Stage, ...] = (SEGMENT, LISTEN, TRANSCRIBE, JUDGE, READ, DELIVER)
