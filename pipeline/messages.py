"""The messages between stages, and their deterministic ids.

Times are UTC seconds as float. Audio inside the pipeline is 16 kHz mono. On Kafka each message is a CloudEvent in
binary mode (`pipeline/events.py`); the contract in words is docs/contract.md, generated from these types.
"""

import uuid
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside the pipeline."""

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://voxwarden.invalid/ids/v1")

Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*(?![\s\S])")]
"""A room, speaker, policy or model name: no control characters, since one of them keeps the parts of an id apart.

The pattern ends in a look-ahead because `$` would let a line break follow in Python, and JSON Schema knows no other.
"""

Seconds = Annotated[float, Meta(ge=0, lt=253_402_300_800)]
"""A moment, UTC seconds: finite, and before the year 10000, so that RFC 3339 can write it."""

Unit = Annotated[float, Meta(ge=0, le=1)]
"""A score, probability or confidence."""

MAX_ALTERNATIVES = 5
"""Readings beside the text of a transcript."""

StreamCodec = Literal["pcm_s16le", "pcm_f32le", "opus"]
"""What an app sends frame by frame."""
Codec = Literal[StreamCodec, "opus_packets", "container"]
"""`container` is any whole file that FFmpeg can open (WAV, FLAC, MP3, Ogg, M4A, WebM). `opus` is one bare packet.
`opus_packets` is several of them in a row: pipeline/audio/packets.py.
"""

Suggestion = Literal["pass", "review", "block"]
Verdict = Literal["uphold", "dismiss", "escalate"]
Action = Literal["warn", "mute", "remove", "close_room"]
"""What the app is asked to do about an upheld case."""
Mark = Literal["no_speech", "repetition", "silence_phrase", "low_confidence"]
"""Why a transcript may be invented by the recogniser. A marked text is kept; the policy says what becomes of it."""


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every message knows: whose voice, in which room, when."""

    room: Name
    """The room, as the app names it."""
    speaker: Name
    """Whose voice, as the app names them."""
    room_type: Name = "default"
    """What kind of room; the policy may differ by it."""
    start: Seconds
    """Of the first sample, UTC seconds."""


class AudioChunk(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of one speaker's audio as it came in; gaps and order are told by `sequence`."""

    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    """Counts the chunks of one connection or file from 0; a smaller number later is of a new connection."""
    session: Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*(?![\s\S])")] = ""
    """Where `first_sample` counts from 0: an id of the app's, the same on each connection that sends audio again."""
    first_sample: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Number of the first sample in `session`. Samples with numbers that were heard before are left out."""
    codec: Codec = "pcm_s16le"
    """What `data` is: PCM, one bare Opus packet, several joined packets, or one whole small file."""
    sample_rate: Annotated[int, Meta(ge=8_000, le=192_000)] = SAMPLE_RATE
    """Samples per second of one channel; 48000 for Opus; a whole file knows its own."""
    channels: Annotated[int, Meta(ge=1, le=32)] = 1
    """Of one speaker, mixed down to one; PCM is interleaved."""
    final: bool = False
    """The speaker has left or the file has ended: nothing waits for more."""
    data: bytes = b""
    """The audio, as the value of the record."""


class Utterance(Message, frozen=True, kw_only=True, omit_defaults=True):
    """0.3 to 15 s of one speaker's speech, encoded once (FLAC, 16 kHz mono)."""

    id: str
    """UUIDv5, the same after any replay."""
    end: Seconds
    """Of the last sample, UTC seconds."""
    forced: bool = False
    """Cut for length, not at a pause: the next utterance repeats its last `overlap` seconds."""
    overlap: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds at the head that the utterance before has too."""
    address: str | None = None
    """Where the audio lies (`topic/partition/offset`), filled in by whoever read it from there."""
    data: bytes = b""


class Word(Struct, frozen=True, omit_defaults=True):
    """A word of a transcript; times are UTC seconds."""

    text: str
    """What was said."""
    start: Seconds
    end: Seconds
    probability: Unit = 1.0
    """The recogniser's own."""


class Alternative(Struct, frozen=True):
    """Another reading by the recogniser."""

    text: str
    score: float
    """Mean log-probability a token."""


class Transcript(Message, frozen=True, kw_only=True, omit_defaults=True):
    """An utterance as text."""

    id: str
    utterance: str
    """Id of the utterance."""
    end: Seconds
    text: str
    language: str
    """ISO 639-1, e.g. `en`, `zh`."""
    confidence: Unit
    """exp of the mean log-probability a token."""
    no_speech: Unit = 0.0
    """The recogniser's own probability that nobody spoke."""
    marks: tuple[Mark, ...] = ()
    """Why the text may be invented by the recogniser; empty if nothing speaks for it."""
    words: tuple[Word, ...] = ()
    """With their times; empty unless asked for."""
    alternatives: Annotated[tuple[Alternative, ...], Meta(max_length=MAX_ALTERNATIVES)] = ()
    """Other readings, best first; at most 5. The classifier reads them, too."""
    skipped: bool = False
    """Nobody listened: more was said than could be transcribed, and overload's settings chose this. `text` is empty."""
    model: str
    """What made this of it, by name and version."""
    address: str | None = None
    """Where the utterance's audio lies."""


class Hit(Struct, frozen=True, omit_defaults=True):
    """A lexicon term found in the text: characters `start` to `end` (half open) of `Flag.text`."""

    term: str
    """As the lexicon has it."""
    label: str
    """Of the term."""
    level: Literal["low", "medium", "high", "critical"]
    """How grave it is."""
    start: Annotated[int, Meta(ge=0)]
    """Its first character in `Flag.text`."""
    end: Annotated[int, Meta(ge=0)]
    """The character after its last."""
    start_time: Seconds | None = None
    """UTC seconds of the first matched word; by share of characters where there are no word times."""
    end_time: Seconds | None = None
    """UTC seconds of the end of the last."""


class Flag(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What the judge says of one transcript; clean speech gets one too, with suggestion `pass`."""

    id: str
    utterance: str
    transcript: str
    """Id of the transcript."""
    end: Seconds
    text: str
    language: str
    confidence: Unit
    suggestion: Suggestion
    """What to do: let it pass, show it to a moderator, or act at once."""
    risk: Unit
    """Calibrated probability that any label applies."""
    labels: dict[str, Unit] = field(default_factory=dict)
    """Score of every label that the policy switches on."""
    flagged: tuple[str, ...] = ()
    """The labels that passed a threshold, or whose terms the policy heeds; worst first."""
    hits: tuple[Hit, ...] = ()
    """Lexicon terms in the text."""
    marks: tuple[Mark, ...] = ()
    reasons: tuple[str, ...] = ()
    """Which rules of the policy fired, in words."""
    words: tuple[Word, ...] = ()
    """As the transcript has them, of what is not passed; empty unless the recogniser was asked for word times."""
    policy: str
    """Name and version, e.g. `default@1a2b3c4d`."""
    model: str
    address: str | None = None


class Decision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a moderator decided of a case."""

    id: str
    case: str
    """Id of the case."""
    moderator: Name
    """Who decided."""
    verdict: Verdict
    """The flag was right, was wrong, or someone else must decide."""
    label: str | None = None
    """The label as corrected by the moderator."""
    reason: Annotated[str, Meta(max_length=64, pattern=r"^[a-z_]*(?![\s\S])")] = ""
    """Why, as a code."""
    note: Annotated[str, Meta(max_length=4_000)] = ""
    """Why, in the moderator's words."""
    action: Action | None = None
    """What the app is asked to do."""
    at: Seconds
    """When, UTC seconds."""
    undone: Seconds | None = None
    """When it was taken back; it then counts for nothing."""


def sample_of(seconds: float) -> int:
    """The 16 kHz sample at a UTC time: what ids are made of, so that float noise does not change them."""
    return round(seconds * SAMPLE_RATE)


def derive_id(stage: str, message: Utterance | Transcript, version: str = "") -> str:
    """UUIDv5 of room, speaker, first and last sample, stage, version: the same speech has the same id after any replay.

    The last sample counts, since what was cut short in an outage and is then cut whole is not the same speech.
    """
    samples = (str(sample_of(seconds)) for seconds in (message.start, message.end))
    return str(uuid.uuid5(NAMESPACE, "\x1f".join((message.room, message.speaker, *samples, stage, version))))
