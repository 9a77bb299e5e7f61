"""The messages between stages, and their deterministic ids.

Times are UTC seconds as float. Audio inside the pipeline is 16 kHz mono. On Kafka each message is a CloudEvent in
binary mode (`pipeline/contract/cloud_events.py`). These types and their docstrings give the field lists of
docs/contract.md.
"""

import uuid
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Literal, TypeVar, get_args

from msgspec import Meta, Struct, field
from msgspec.structs import replace

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside the pipeline."""

UNDETERMINED = "und"
"""ISO 639-2 code of an undetermined language."""
UNSUPPORTED = "unsupported"
"""The language of a text in a script that is not judged."""

NO_MODEL = "none"
"""The `model` of a transcript that nothing made, because overload skipped its utterance."""

EARLY_SECONDS = 3.0
"""Speech that goes on for so long is judged before it ends. The ids of flags depend on it: never change it."""

# Never change it: the same speech would get another id, and be stored twice. No host has a name in `.invalid`.
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://voxwarden.invalid/ids/v1")

Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*(?![\s\S])")]
"""A room, speaker, policy or model name. Control characters are refused: one of them separates the parts of an id.

The pattern ends in a look-ahead. In Python, `$` also matches before a final line break, and JSON Schema has no other
anchor for the end.
"""

Seconds = Annotated[float, Meta(ge=0, lt=253_402_300_800)]
"""A time in UTC seconds. It is finite and before the year 10000, because RFC 3339 writes the year with four digits."""

Unit = Annotated[float, Meta(ge=0, le=1)]
"""A score, probability or confidence."""

Listeners = Annotated[int, Meta(ge=0, le=2**31 - 1)]  # the largest integer of PostgreSQL
"""A number of people who can hear a room."""

Drill = Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9-]*(?![\s\S])")]
"""Id of a drill; empty for real speech."""

MAX_ALTERNATIVES = 5
"""Maximum number of alternatives in a transcript."""

StreamCodec = Literal["pcm_s16le", "pcm_f32le", "opus"]
"""Codecs of audio that an app sends frame by frame."""
Codec = Literal[StreamCodec, "opus_packets", "container"]
"""`container` is a whole file that FFmpeg can open (WAV, FLAC, MP3, Ogg, M4A, WebM). `opus` is one bare Opus packet.
`opus_packets` is several joined packets: pipeline/speech/audio/stream_codecs.py.
"""

Suggestion = Literal["pass", "review", "block"]
Verdict = Literal["uphold", "dismiss", "escalate"]
Action = Literal["warn", "mute", "remove", "close_room"]
"""The action that the app should take on an upheld case."""
TIMED: tuple[Action, ...] = ("mute", "remove")
"""The actions that can have a duration."""
MAX_DURATION = 31_536_000.0
"""Longest duration of an action in seconds: 365 days."""
Mark = Literal["no_speech", "repetition", "silence_phrase", "low_confidence"]
"""A sign that the recogniser invented the text. A marked text is kept; the policy decides how it counts."""


SpeechState = Literal["segmented", "skipped", "failed"]

YamnetKind = Literal["scream", "moan", "crying", "gunshot"]
"""Sounds that YAMNet hears, if users bring it."""
OF_YAMNET: tuple[YamnetKind, ...] = get_args(YamnetKind)
EventKind = Literal["howl", "clipping", "loudness", "music", "voice_change", "dead_air", YamnetKind]
"""Sounds that the listener recognises by themselves (docs/sounds.md)."""
SoundKind = Literal["recording", EventKind]
"""What the listener recognises: a recording of the bank, or a sound by itself."""
HeardKind = Literal[SoundKind, "ear"]
"""A kind of sound, or `ear`: what the second ear heard (docs/sounds.md)."""
Source = Literal["words", "sound", "ear", "reader"]
"""What led to a flag: the words of a transcript, a sound that the listener recognised, the second ear or reader."""


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of every message on a topic. They come from the app, and each stage copies them."""

    room: Name
    """The app's name of the room."""
    speaker: Name
    """The app's name of the speaker."""
    room_type: Name = "default"
    """Type of the room. A policy can have rules for each type."""
    listeners: Listeners | None = None
    """Number of people who can hear the room, if the app sends it."""
    identity_verified: bool | None = None
    """Whether the app has verified the speaker's identity, if the app sends it."""
    drill: Drill = ""
    """Id of the drill that this speech belongs to. Speech of a drill counts in no production figure."""
    start: Seconds
    """Start in UTC seconds."""


M = TypeVar("M", bound=Message)


class AudioChunk(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of one speaker's audio as the app sent it. `sequence` gives the order and shows gaps."""

    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """Number of the chunk in its connection or file, from 0. A smaller number later means a new connection."""
    session: Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*(?![\s\S])")] = ""
    """The app's id of the session. It stays the same on each connection that sends the same audio again."""
    first_sample: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Number of the chunk's first sample in `session`, from 0. Samples that were received before are skipped."""
    codec: Codec = "pcm_s16le"
    """Encoding of `data`: PCM, one bare Opus packet, several joined packets, or one whole small file."""
    sample_rate: Annotated[int, Meta(ge=8_000, le=192_000)] = SAMPLE_RATE
    """Samples per second of one channel. 48000 for Opus. Not used for a whole file, which states its own rate."""
    channels: Annotated[int, Meta(ge=1, le=32)] = 1
    """Number of channels, at most 2 for Opus. They are mixed to one. PCM samples are interleaved."""
    final: bool = False
    """True in the last chunk: the speaker has left or the file has ended. Unfinished speech ends at once."""
    data: bytes = b""
    """The audio. It is the value of the record."""


class Utterance(Message, frozen=True, kw_only=True, omit_defaults=True):
    """0.3 to 15 s of one speaker's speech, encoded once (FLAC, 16 kHz mono)."""

    id: str
    """UUIDv5. It is the same after any replay."""
    end: Seconds
    """End in UTC seconds."""
    forced: bool = False
    """True if the utterance was cut because of its length, not at a pause. Then the next utterance repeats its end."""
    overlap: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds at the start that repeat the end of the previous utterance."""
    address: str | None = None
    """Address of the audio (`topic/partition/offset`). The reader of the record sets it."""
    data: bytes = b""


class EarlyUtterance(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The utterance that a pause will make if it continues, or the speech so far. It may be recognised at once."""

    id: str
    """Id of the utterance. Speech so far has an id of its own."""
    end: Seconds
    """End in UTC seconds."""
    so_far: bool = False
    """True: the speaker goes on. An utterance with the same start and a later end follows."""
    overlap: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds at the start that repeat the end of the previous utterance."""
    address: str | None = None
    """Address of the audio. The reader of the record sets it."""
    data: bytes = b""


class HeardSound(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the listener recognised."""

    kind: HeardKind
    """The kind of sound."""
    name: Annotated[str, Meta(max_length=300)] = ""
    """For people: the title of the recording, or the own label of the second ear's model; empty for other kinds."""
    reference: Annotated[str, Meta(max_length=64)] = ""
    """For programs: the id of the recording in the bank; empty for other kinds."""
    score: Unit
    """How sure the detector is. It is no probability, except perhaps the score of a second ear."""


class Sound(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A sound in one speaker's audio, with the audio of its span (FLAC, 16 kHz mono, at most 20 s)."""

    id: str
    """UUIDv5. It is the same after any replay."""
    end: Seconds
    """End in UTC seconds. A sound that goes on is sent in parts, at least every 15 s."""
    kind: HeardKind
    name: Annotated[str, Meta(max_length=300)] = ""
    """For people: the title of the recording, or the own label of the second ear's model; empty for other kinds."""
    reference: Annotated[str, Meta(max_length=64)] = ""
    """For programs: the id of the recording in the bank; empty for other kinds."""
    label: Annotated[str, Meta(max_length=100)] = ""
    """The label that the recording itself has, or that the second ear heard. Empty: the policy has one, or none."""
    score: Unit
    """How sure the detector is. It is no probability: each kind has a scale of its own (docs/policy.md)."""
    model: str
    """Name and version of the model that made this."""
    address: str | None = None
    """Address of the audio (`topic/partition/offset`). The reader of the record sets it."""
    data: bytes = b""


class Word(Struct, frozen=True, omit_defaults=True):
    """A word of a transcript. Times are UTC seconds."""

    text: str
    """The recognised text."""
    start: Seconds
    end: Seconds
    probability: Unit = 1.0
    """The recogniser's probability of the word."""


class Alternative(Struct, frozen=True):
    """An alternative text from the recogniser."""

    text: str
    score: float
    """Mean log-probability per token."""


class Transcript(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The text of an utterance."""

    id: str
    utterance: str
    """Id of the utterance."""
    end: Seconds
    text: str
    language: str
    """Language code, ISO 639-1, e.g. `en`, `zh`."""
    confidence: Unit
    """Confidence of the recogniser in the text: exp of the mean log-probability per token."""
    no_speech: Unit = 0.0
    """The recogniser's probability that nobody spoke."""
    marks: tuple[Mark, ...] = ()
    """Signs that the recogniser invented the text. Empty if there are none."""
    words: tuple[Word, ...] = ()
    """Words with their times. Empty if `asr.words` is off."""
    alternatives: Annotated[tuple[Alternative, ...], Meta(max_length=MAX_ALTERNATIVES)] = ()
    """Up to 5 alternative texts, best first. The classifier reads them, too."""
    skipped: bool = False
    """True if the speech was not heard: `text` is empty, and no flag follows.

    It is in `language`, which `asr.languages` does not have. If that is `und`, overload skipped the utterance, or the
    recogniser found no words in the speech. Then `model` is `none`, or the recogniser.
    """
    early: bool = False
    """True: the words so far. The speaker goes on, and the transcript of the utterance follows."""
    model: str
    """Name and version of the model that made this."""
    address: str | None = None
    """Address of the utterance's audio: `topic/partition/offset`, or `lookback/NAME/OFFSET` on one machine."""


class Hit(Struct, frozen=True, omit_defaults=True):
    """A lexicon term in the text: characters `start` to `end` (half open) of `Flag.text`."""

    term: str
    """The term as the lexicon spells it."""
    label: str
    """Label of the term."""
    level: Literal["low", "medium", "high", "critical"]
    """Severity of the term."""
    start: Annotated[int, Meta(ge=0)]
    """Index of its first character in `Flag.text`."""
    end: Annotated[int, Meta(ge=0)]
    """Index of the character after its last one."""
    start_time: Seconds | None = None
    """Start of the first matched word in UTC seconds. If there are no word times, it is estimated from the text."""
    end_time: Seconds | None = None
    """End of the last matched word in UTC seconds, found in the same way."""


class Flag(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The judge's result for one transcript or sound. Harmless speech gets a flag, too, with the suggestion `pass`."""

    id: str
    utterance: str
    """Id of the utterance, or of the sound."""
    transcript: str
    """Id of the transcript, or of the sound."""
    end: Seconds
    text: str
    """The recognised text; empty for a sound."""
    language: str
    """Language code, ISO 639-1, e.g. `en`, `zh`; empty for a sound."""
    confidence: Unit
    suggestion: Suggestion
    """Suggested handling: `pass`, `review` by a moderator, or `block` at once."""
    risk: Unit
    """Calibrated probability that at least one label applies."""
    labels: dict[str, Unit] = field(default_factory=dict)
    """Score of each label that the policy turns on."""
    flagged: tuple[str, ...] = ()
    """Labels whose score passed a threshold or whose lexicon terms the policy counts. The worst label comes first."""
    hits: tuple[Hit, ...] = ()
    """Lexicon terms in the text."""
    marks: tuple[Mark, ...] = ()
    reasons: tuple[str, ...] = ()
    """The policy's rules that led to the suggestion, in words. One says if the earlier speech raised the suggestion."""
    words: tuple[Word, ...] = ()
    """Words of the transcript with their times. Empty if the suggestion is `pass` or `asr.words` is off."""
    policy: str
    """Name and version of the policy, e.g. `default@1a2b3c4d`."""
    model: str
    address: str | None = None
    """Address of the audio: `topic/partition/offset`, or `lookback/NAME/OFFSET` on one machine (sounds: `sounds/…`)."""
    source: Source = "words"
    """What led to the flag."""
    withheld: tuple[str, ...] = ()
    """Labels that count only when words and second ear agree, and that one of the two has found. Worst label first."""
    released: str = ""
    """The label on which words and second ear agree now. A flag that withheld it, of the same speech, came before."""
    early: bool = False
    """True: a flag of the words so far. The flag of the utterance has the same id and a later end, and replaces it."""
    act: tuple[str, ...] = ()
    """Flagged labels whose score reached the policy's limit `act`: fit for an automatic action. Worst label first."""
    sound: HeardSound | None = None
    """The sound, if that is the source."""

    @property
    def verdict(self) -> Suggestion | None:
        """The suggestion. None: the text is in a script or language that is not judged, and no term was found."""
        return None if self.language == UNSUPPORTED and self.suggestion == "pass" else self.suggestion

    @property
    def content(self) -> str:
        """The recognised text, or the kind and the name of the sound, for people."""
        return ": ".join(filter(None, (self.sound.kind, self.sound.name))) if self.sound else self.text


class SecondReading(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What the second reader found in an utterance whose flag was unsure. Utterances without a finding have none."""

    id: str
    """UUIDv5 of the flag. It is the same after any replay."""
    flag: str
    """Id of the unsure flag."""
    utterance: str
    """Id of the utterance."""
    transcript: str
    """Id of the transcript."""
    end: Seconds
    text: str
    """The recognised text."""
    language: str
    """Language code, ISO 639-1, e.g. `en`, `zh`."""
    confidence: Unit
    """Confidence of the recogniser in the text."""
    risk: Unit
    """The highest score of the labels in `flagged`. It is not calibrated."""
    labels: dict[str, Unit]
    """The reader's score of each label that it named."""
    flagged: tuple[str, ...]
    """Labels whose score reached the policy's limit for the reader. The worst label comes first."""
    reasons: tuple[str, ...]
    """The policy's rules that led to a review, in words."""
    policy: str
    """Name and version of the policy that gave the limits."""
    model: str
    """Name of the reader's model: the setting `reader.model`."""
    address: str | None = None
    """Address of the utterance's audio: `topic/partition/offset`, or `lookback/NAME/OFFSET` on one machine."""


class SpeechStatus(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A status of an utterance that has no flag (yet). With the flags, these messages account for every utterance."""

    id: str
    utterance: str
    """Id of the utterance."""
    end: Seconds
    state: SpeechState
    """`segmented`: the utterance was cut. `skipped`: it was not heard. `failed`: it is a dead letter."""
    reason: Annotated[str, Meta(max_length=64)] = ""
    """Why the utterance has no flag: `overload`, `language`, `no_words`, or the name of the stage that failed."""
    language: Annotated[str, Meta(max_length=16)] = ""
    """With the reason `language`: the language of the utterance, which `asr.languages` does not have."""
    address: str | None = None
    """Address of the utterance's audio. Only a status that ends the work on the utterance has it."""


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A moderator's decision on a case."""

    id: str
    """UUIDv5. A decision that is sent twice keeps its id."""
    case: str
    """Id of the case."""
    moderator: Name
    """Name of the moderator."""
    verdict: Verdict
    """`uphold`: the flag was right. `dismiss`: it was wrong. `escalate`: someone else must decide."""
    label: str | None = None
    """The label, if the moderator corrected it."""
    reason: Annotated[str, Meta(max_length=64, pattern=r"^[a-z_]*(?![\s\S])")] = ""
    """Reason code."""
    note: Annotated[str, Meta(max_length=4_000)] = ""
    """Reason in the moderator's own words."""
    action: Action | None = None
    """The action that the app should take."""
    duration_seconds: Annotated[float, Meta(gt=0, le=MAX_DURATION)] | None = None
    """Seconds for which a speaker stays muted or removed. None: the app decides."""
    strikes: Annotated[int, Meta(ge=1)] | None = None
    """Number of the speaker's strikes, this one included. Only with `uphold`; None: not counted."""
    notice: Annotated[str, Meta(max_length=2_000)] = ""
    """Text for the speaker about the action, in the speaker's language. Empty: there is no action."""
    at: Seconds
    """Time of the decision in UTC seconds."""
    undone: Seconds | None = None
    """Time at which the decision was undone, in UTC seconds. An undone decision has no effect."""


def sample_of(seconds: float) -> int:
    """Convert UTC seconds to a count of 16 kHz samples. Ids use it, so that rounding errors do not change an id."""
    return round(seconds * SAMPLE_RATE)


def by_time(messages: Iterable[M]) -> tuple[M, ...]:
    """Return the messages in the order of their starts."""
    return tuple(sorted(messages, key=lambda message: message.start))


def origin(message: Message, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the fields of `Message`, for the message that a stage makes from `message`."""
    return {name: getattr(message, name) for name in Message.__struct_fields__ if name not in without}


def derive_id(stage: str, message: Utterance | Transcript | Flag, version: str = "") -> str:
    """UUIDv5 of room, speaker, first and last sample, stage and version. A replay gives the same speech the same id."""
    # The last one, too: after an outage, an utterance that was cut short and the whole one need different ids.
    samples = (str(sample_of(seconds)) for seconds in (message.start, message.end))
    return str(uuid.uuid5(NAMESPACE, "\x1f".join((message.room, message.speaker, *samples, stage, version))))


def flag_id(message: Transcript | Flag, version: str) -> str:
    """Return the id of the flag of words, by `version` of the policy.

    Of longer speech only the first EARLY_SECONDS count. So the words so far and the utterance have one flag.
    """
    return derive_id("judge", replace(message, end=min(message.end, message.start + EARLY_SECONDS)), version)


def first_id(flag: Flag) -> str:
    """Return the id of the first flag of the same words: of a released flag, the id of the one that was withheld."""
    return flag_id(flag, flag.policy) if flag.released else flag.id


def utterance_of(early: EarlyUtterance) -> Utterance:
    """Return an early utterance as an utterance."""
    fields = {name: getattr(early, name) for name in ("id", "end", "overlap", "address", "data")}
    return Utterance(**origin(early), **fields)
