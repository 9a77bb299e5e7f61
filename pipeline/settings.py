"""All settings and their defaults. Flags override the environment, which overrides `configs/voxwarden.yaml`.

Both `VOXWARDEN_ASR__MODEL=small` and `voxwarden --set asr.model=small` set `asr.model`. Keep secrets (the gateway's
tokens, database and broker passwords) in the environment.

The limits of each setting refuse values that would switch moderation off.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from pipeline import yamlfiles
from pipeline.configuration import PREFIX, config_file
from pipeline.errors import ConfigError
from pipeline.languages.codes import check_code
from pipeline.topology import STAGES, TOPICS, Stage, Topic

log = logging.getLogger(__name__)

OF_KUBERNETES = re.compile(
    r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)=|\w+_PORT=(tcp|udp|sctp)://"
)
"""Matches the variables that Kubernetes sets for a service named voxwarden or voxwarden-gateway, as NAME=VALUE."""
NEAR = 0.8
"""Minimum similarity, from 0 to 1, at which an unknown name counts as a misspelt setting."""

STORE_URL = re.compile(r"(sqlite|postgres(ql)?(\+psycopg)?)://")
BYTES_PER_SECOND = 32_000
"""Largest size of an utterance per second: FLAC is never larger than 16-bit PCM at 16 kHz."""
RECORD_BYTES = 65_536
"""Largest size of a record without its audio."""


ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]/]+)(:\d{1,5})?")


def _addresses(text: str) -> str:
    """Check `HOST:PORT,HOST:PORT` here: the Kafka client reports a wrong address late and in its own words."""
    for address in text.split(","):
        if not ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is not HOST:PORT")
    return text


def _store_url(url: SecretStr) -> SecretStr:
    if not STORE_URL.match(url.get_secret_value()):
        raise ValueError("the URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    return url


LanguageCode = Annotated[str, AfterValidator(check_code)]
"""A language code that Whisper uses, e.g. zh."""


SHORTEST_TOKEN = 16
"""Minimum length of a token in characters. A shorter token could be guessed."""


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        made = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise ValueError(f"a token is shorter than {SHORTEST_TOKEN} characters; create one with: {made}")
    return token


Token = Annotated[SecretStr, AfterValidator(_token)]
"""A bearer token with which a program authenticates."""


class Section(BaseModel):
    """A group of settings. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Audio(Section):
    """Voice activity detection, and the segmentation of speech into utterances."""

    vad_threshold: float = Field(
        0.5, gt=0, le=0.9, description="lowest speech probability at which a frame counts as speech"
    )
    min_seconds: float = Field(0.3, gt=0, le=1, description="minimum seconds of speech; shorter speech is dropped")
    max_seconds: float = Field(
        15.0, ge=3, le=30, description="maximum seconds of an utterance; Whisper takes at most 30"
    )
    soft_seconds: float = Field(
        8.0, ge=2, le=30, description="seconds after which an utterance is cut at its next quiet moment"
    )
    hangover_seconds: float = Field(0.6, gt=0, le=5, description="seconds of silence that end an utterance")
    pad_seconds: float = Field(0.2, ge=0, le=1, description="seconds of audio kept before and after the speech")
    overlap_seconds: float = Field(
        0.5, ge=0, le=1.5, description="seconds that the next utterance repeats after a cut without a pause"
    )
    idle_seconds: float = Field(
        3.0, gt=0, le=60, description="seconds without a chunk after which unfinished speech is sent on"
    )
    max_gap_seconds: float = Field(
        2.0, gt=0, le=60, description="longest gap in a stream, in seconds; a longer gap ends the utterance"
    )
    reorder_chunks: int = Field(
        8, ge=0, le=500, description="chunks held while an earlier chunk is missing; then it counts as lost"
    )
    max_speakers: int = Field(
        10_000, ge=100, description="open speakers per process; above it, the speaker who is idle longest is closed"
    )

    @model_validator(mode="after")
    def _check(self) -> "Audio":
        if self.soft_seconds > self.max_seconds:
            raise ValueError(
                f"soft_seconds ({self.soft_seconds:g}) must not be more than max_seconds ({self.max_seconds:g})"
            )
        return self


class Asr(Section):
    """Speech recognition."""

    engine: Literal["ctranslate2", "openai-whisper"] = Field(
        "ctranslate2", description="engine that runs Whisper; docs/asr.md compares them"
    )
    model: str = Field("base", description="a Whisper size, a .pt file, or a CTranslate2 folder")
    folder: Path | None = Field(None, description="folder that is searched for weights first")
    download: bool = Field(True, description="download the weights if they are not found on this machine")
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit of the model on the hub, for ctranslate2 sizes without a pinned SHA-256",
    )
    adapters: bool = Field(True, description="use Voxwarden's Mandarin fine-tuning of `base`; docs/asr.md describes it")
    device: str = Field("auto", description="cpu, cuda, cuda:1, or auto")
    language: LanguageCode | None = Field(
        None, description="language of all utterances, e.g. zh; unset: detected for each utterance"
    )
    languages: tuple[LanguageCode, ...] = Field(
        ("en", "zh"), min_length=1, description="languages spoken in rooms; another one needs a clear detection"
    )
    words: bool = Field(
        False, description="word times for every utterance (slower); off: estimated times, for flagged utterances"
    )
    batch: int = Field(8, ge=1, le=512, description="utterances decoded together; `voxwarden tune` finds the best")
    workers: PositiveInt | None = Field(None, description="batches decoded at the same time; unset: one per CPU core")
    beams: dict[LanguageCode, Annotated[int, Field(ge=1, le=20)]] = Field(
        {}, description="beam size by language; others: from its language.yaml, else 5 (openai-whisper: 1)"
    )


class JudgeSettings(Section):
    """Classification of transcripts, and the policies."""

    model: str | None = Field(
        None, description="classifier: a folder or a hub id (owner/name@commit); unset: the shipped one"
    )
    label_map: Path | None = Field(
        None, description="YAML file that maps the labels of `model` to the labels of Voxwarden"
    )
    threads: PositiveInt | None = Field(
        None, description="CPU threads of the shipped classifier; unset: one per CPU core"
    )
    policy: str = Field("default", description="name of a file in configs/policies, or a path")
    lexicons: tuple[str, ...] = Field(("en", "zh"), description="language codes, or paths of lexicons")
    labels: Path | None = Field(None, description="file of label definitions; unset: configs/labels.yaml")
    shadow_policies: tuple[str, ...] = Field(
        (), description="policies whose verdicts are counted in metrics but never delivered"
    )


class RoomShare(Section):
    """The minimum share of a room type that is transcribed under overload."""

    name: str = Field(
        min_length=1, max_length=256, description="a room type; `other` means each room type that is not listed"
    )
    share: float = Field(0.1, ge=0, le=1, description="minimum share of its utterances that is transcribed")


class Overload(Section):
    """Which utterances are skipped when more arrive than the workers can transcribe."""

    enabled: bool = Field(
        True, description="skip utterances under overload; off: all of them wait, e.g. a backlog of recordings"
    )
    start_seconds: PositiveFloat = Field(
        60.0, description="seconds that the oldest utterance must wait before any utterance is skipped"
    )
    full_seconds: PositiveFloat = Field(
        300.0, description="seconds of waiting at which only the minimum shares are transcribed"
    )
    catch_up_seconds: PositiveFloat = Field(
        7_200.0, description="nothing is skipped if the worker can clear the backlog within these seconds"
    )
    recover_seconds: float = Field(
        60.0, gt=0, le=3600, description="shortest time in seconds from the minimum shares back to all utterances"
    )
    room_types: tuple[RoomShare, ...] = Field(
        (
            RoomShare(name="game"),
            RoomShare(name="default"),
            RoomShare(name="other"),
            RoomShare(name="kids", share=0.5),
        ),
        description="room types, the first is skipped first; if `other` is absent, unlisted types are never skipped",
    )

    @model_validator(mode="after")
    def _check(self) -> "Overload":
        if self.full_seconds <= self.start_seconds:
            raise ValueError("full_seconds must be more than start_seconds")
        if len({kind.name for kind in self.room_types}) < len(self.room_types):
            raise ValueError("room_types lists a room type twice")
        return self


class Store(Section):
    """Cases and evidence."""

    url: Annotated[SecretStr, AfterValidator(_store_url)] | None = Field(
        None, description="URL of the database, postgresql:// or sqlite://; unset: SQLite in data_dir"
    )
    preroll_seconds: float = Field(
        5.0, ge=0, le=60, description="seconds of audio before the flagged utterance in the clip"
    )
    lookback_hours: float = Field(24.0, ge=0.25, description="hours that one machine keeps utterances on disk")
    lookback_bytes: int = Field(
        2_000_000_000, ge=10_000_000, description="maximum size of these utterances on disk, in bytes"
    )
    merge_gap_seconds: float = Field(
        0.0, ge=0, le=600, description="flags of one speaker that are at most this many seconds apart join one case"
    )
    report_seconds: PositiveFloat = Field(
        180.0, le=540, description="seconds of audio kept from before the moment that a user reports"
    )
    max_case_seconds: PositiveFloat = Field(
        120.0, description="maximum seconds from the start to the end of a case; more flags open another case"
    )


class Security(Section):
    """Security of the connection to the broker, for both client libraries. Keep secrets in the environment."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="ssl: TLS; sasl_plaintext: SASL without TLS; sasl_ssl: SASL over TLS"
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism"
    )
    username: str | None = Field(None, description="SASL user name")
    password: SecretStr | None = Field(None, description="SASL password")
    ca_file: Path | None = Field(
        None, description="PEM file of certificate authorities; unset: those of the operating system"
    )
    cert_file: Path | None = Field(None, description="PEM file of the client's own certificate, for mutual TLS")
    key_file: Path | None = Field(None, description="PEM file of the client's key; unset: the key is in cert_file")
    token_file: Path | None = Field(
        None, description="file of the OAUTHBEARER token; it is read again at each connection"
    )
    token_command: tuple[str, ...] = Field(
        (), description="command that prints the OAUTHBEARER token; it runs at each connection"
    )

    @property
    def tls(self) -> bool:
        """Whether the connection uses TLS."""
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def sasl(self) -> bool:
        """Whether the client authenticates with SASL."""
        return self.protocol in {"sasl_plaintext", "sasl_ssl"}


class Batching(Section):
    """The batches in which a stage takes messages."""

    batch: PositiveInt = Field(description="maximum messages in one batch")
    wait_seconds: float = Field(
        ge=0, le=5, description="seconds that a batch waits for more messages after its first message"
    )


def _section(name: str, fields: Mapping[str, Any]) -> type[Section]:
    """A section whose keys come from the topology."""
    return create_model(name, __base__=Section, **fields)


Stages = _section(
    "Stages",
    {stage.name: (Batching, Batching(batch=stage.batch, wait_seconds=stage.wait_seconds)) for stage in STAGES},
)
RetentionHours = _section(
    "RetentionHours",
    {
        topic.key: (PositiveFloat, Field(topic.retention_hours, description=f"hours that {topic.name} keeps a record"))
        for topic in TOPICS
    },
)


class Kafka(Section):
    """The Kafka broker, topics and consumer groups."""

    bootstrap: Annotated[str, AfterValidator(_addresses)] = Field(
        "127.0.0.1:9092", description="HOST:PORT of the brokers, separated by commas"
    )
    prefix: str = Field("", description="prefix of every topic name, e.g. `staging.`")
    partitions: PositiveInt = Field(12, description="partitions per topic, used when Voxwarden creates the topics")
    replication: PositiveInt = Field(1, description="replicas per partition, used when Voxwarden creates the topics")
    max_message_bytes: PositiveInt = Field(
        1_048_588, description="maximum bytes of a record, for topics, producers and consumers"
    )
    connect_seconds: PositiveFloat = Field(
        15.0, description="seconds without an answer from the broker that count as an error"
    )
    instance: str | None = Field(
        None, description="fixed name of a worker in its consumer group (static membership), e.g. its pod's name"
    )
    dead_letter_share: float = Field(
        0.5, gt=0, le=1, description="share of bad messages over all senders above which a worker stops; 1: never"
    )
    stall_seconds: PositiveFloat = Field(
        45.0, description="seconds without a commit after which a worker with lag counts as unhealthy"
    )
    retention_hours: RetentionHours = RetentionHours()  # type: ignore[valid-type]
    security: Security = Security()

    def retention_seconds(self, topic: Topic) -> float:
        """How many seconds `topic` keeps a record."""
        hours: float = getattr(self.retention_hours, topic.key)
        return hours * 3600

    @property
    def longest_retention_seconds(self) -> float:
        """The longest retention of all topics, in seconds."""
        return max(map(self.retention_seconds, TOPICS))


class GatewaySettings(Section):
    """The WebSocket gateway."""

    host: str = Field("127.0.0.1", description="address on which the gateway listens")
    port: int = Field(8765, ge=0, le=65_535, description="port on which the gateway listens; 0: any free port")
    tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens of clients, 16 characters or more; set them in the environment"
    )
    max_connections: PositiveInt = Field(2_000, description="maximum open connections")
    max_frame_bytes: PositiveInt = Field(262_144, description="maximum bytes of one frame")
    max_bytes_per_second: PositiveInt = Field(
        400_000, description="maximum bytes per second and connection; PCM at 48 kHz stereo has 192,000"
    )
    max_frames_per_second: PositiveInt = Field(
        500, description="maximum frames per second and connection; Opus has at most 400 packets"
    )
    max_speed: float = Field(2.0, ge=1, description="maximum seconds of audio per second and connection")
    max_invalid_per_second: PositiveFloat = Field(5.0, description="maximum broken frames per second and connection")
    burst_seconds: PositiveFloat = Field(
        10.0, description="size of a burst, in seconds at the maximum rates, e.g. after a network stall"
    )
    gather_seconds: float = Field(0.2, ge=0, le=5, description="seconds of frames that are sent as one record")
    buffer_seconds: PositiveFloat = Field(
        5.0, description="maximum seconds of audio that wait for Kafka's confirmation, per connection"
    )
    buffer_bytes: PositiveInt = Field(
        67_108_864, description="maximum bytes that wait for Kafka's confirmation, in all connections together"
    )
    confirm_seconds: PositiveFloat = Field(
        10.0, description="seconds within which Kafka must confirm audio; else the connection is closed"
    )
    gap_seconds: PositiveFloat = Field(
        1.0, description="a stream that is this many seconds behind the clock jumps to the present time"
    )
    ping_seconds: PositiveFloat = Field(
        20.0, description="seconds of silence after which a client is pinged, and seconds it has to answer"
    )
    idle_seconds: PositiveFloat = Field(600.0, description="seconds without a frame after which a connection is closed")


class Targets(Section):
    """Target time to decide a case, in seconds, by the severity of its label."""

    low: PositiveFloat = Field(14_400.0, description="seconds to decide a case of low severity")
    medium: PositiveFloat = Field(3_600.0, description="seconds to decide a case of medium severity")
    high: PositiveFloat = Field(900.0, description="seconds to decide a case of high severity")
    critical: PositiveFloat = Field(300.0, description="seconds to decide a case of critical severity")


class Quality(Section):
    """Quality checks that are mixed into the queue: docs/console-quality.md."""

    audit_share: float = Field(
        0.0, ge=0, le=1, description="share of passed speech that moderators check for missed violations"
    )
    second_share: float = Field(
        0.05, ge=0, le=1, description="share of decisions that a second moderator checks without seeing the first"
    )
    golden_share: float = Field(
        0.03, ge=0, le=1, description="golden cases shown per decision, if leads have marked any"
    )
    draw_seconds: PositiveFloat = Field(15.0, description="seconds between two draws of checks")


class Oidc(Section):
    """Sign-in with OpenID Connect."""

    issuer: str = Field(description="issuer URL of the provider, e.g. https://id.example.org")
    client_id: str = Field(description="client id of the console at the provider")
    client_secret: SecretStr | None = Field(None, description="client secret; set it in the environment")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="scopes that the console requests")
    name_claim: str = Field("preferred_username", description="claim that names the account")
    groups_claim: str = Field("groups", description="claim that lists the groups of the account")
    roles: dict[str, Literal["moderator", "lead", "auditor", "admin"]] = Field(
        description="role by group; a person in none of these groups is refused"
    )
    seconds: PositiveFloat = Field(10.0, description="seconds within which the provider must answer")


class ReviewConsole(Section):
    """The web console for moderators."""

    host: str = Field("127.0.0.1", description="address on which the console listens")
    port: int = Field(8080, ge=0, le=65_535, description="port on which the console listens; 0: any free port")
    public_url: str = Field(
        "http://127.0.0.1:8080", description="URL that browsers use; the OpenID provider redirects to it"
    )
    oidc: Oidc | None = Field(None, description="sign-in with OpenID Connect; unset: local accounts only")
    secure_cookies: bool = Field(False, description="turn on if a proxy serves the console over https")
    max_body_bytes: PositiveInt = Field(262_144, description="maximum bytes of a request body")
    lease_seconds: PositiveFloat = Field(
        300.0, description="seconds without activity after which a moderator's case returns to the queue"
    )
    undo_seconds: float = Field(
        10.0, ge=0, le=60, description="seconds in which a decision can be undone; its webhook is sent after them"
    )
    poll_seconds: PositiveFloat = Field(0.25, description="seconds between two reads of news from the database")
    webhook_url: str | None = Field(
        None, pattern="^https?://", description="URL that receives decisions (Standard Webhooks); unset: no webhooks"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="secret that signs webhooks: whsec_ and 24 to 64 bytes in base64"
    )
    webhook_seconds: PositiveFloat = Field(
        10.0, description="seconds within which the app must answer a webhook; else it is sent again"
    )
    api_tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens of apps that send appeals and reports; 16 characters or more"
    )
    targets_seconds: Targets = Targets()


class Keep(Section):
    """Days to keep a case. With 0, the next run of the retention job deletes it."""

    audio_days: float = Field(ge=0, description="days to keep the clip")
    case_days: float = Field(ge=0, description="days to keep the case: transcript, flags and decisions")

    @model_validator(mode="after")
    def _check(self) -> "Keep":
        if self.audio_days > self.case_days:
            raise ValueError("audio_days must not be more than case_days: a clip belongs to a case")
        return self


class KeepLabel(Section):
    """Retention for one label. Unset fields have the values that hold for all labels."""

    open: Keep | None = Field(None, description="retention of undecided cases with this label")
    upheld: Keep | None = Field(None, description="retention of upheld cases with this label")
    dismissed: Keep | None = Field(None, description="retention of dismissed cases with this label")


class Retention(Section):
    """How long cases are kept, counted from the last decision; undecided cases count from their arrival."""

    open: Keep = Keep(audio_days=90, case_days=180)
    upheld: Keep = Keep(audio_days=190, case_days=365)
    dismissed: Keep = Keep(audio_days=14, case_days=90)
    labels: dict[str, KeepLabel] = Field({}, description="retention by label, where it differs")
    logs_days: float = Field(365.0, ge=183, description="days to keep the audit log; at least half a year")
    every_hours: float = Field(
        24.0, gt=0, le=168, description="hours between two runs of the retention job in the console's process"
    )

    @model_validator(mode="after")
    def _check(self) -> "Retention":
        """Refuse to delete open cases within a day: moderators must see a case before it is deleted."""
        for name, kept in (("open", self.open), *((f"labels.{name}.open", k.open) for name, k in self.labels.items())):
            if kept and kept.case_days < 1:
                raise ValueError(
                    f"{name}.case_days must be at least 1: moderators must see a case before it is deleted"
                )
        return self


class MetricsServer(Section):
    """The HTTP server of the Prometheus metrics."""

    host: str = Field("127.0.0.1", description="address on which metrics are served")
    port: int = Field(9108, ge=0, le=65_535, description="port on which metrics are served; 0: any free port")


class Settings(BaseSettings):
    """All settings. An unknown key is an error, so that a typing mistake is noticed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(Path("voxwarden-data"), description="folder of database, evidence and audio on one machine")
    audio: Audio = Audio()
    asr: Asr = Asr()
    overload: Overload = Overload()
    judge: JudgeSettings = JudgeSettings()
    store: Store = Store()
    stages: Stages = Stages()  # type: ignore[valid-type]
    kafka: Kafka = Kafka()
    gateway: GatewaySettings = GatewaySettings()
    console: ReviewConsole = ReviewConsole()
    retention: Retention = Retention()
    quality: Quality = Quality()
    metrics: MetricsServer = MetricsServer()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=in_file())

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        needed = round(self.audio.max_seconds * BYTES_PER_SECOND) + RECORD_BYTES
        if self.kafka.max_message_bytes < needed:
            raise ValueError(
                f"kafka.max_message_bytes must be at least {needed:,}: an utterance of audio.max_seconds must fit"
            )
        return self

    def batching(self, stage: Stage) -> Batching:
        """The batch settings of `stage`."""
        found: Batching = getattr(self.stages, stage.name)
        return found

    @property
    def database_url(self) -> str:
        """The URL of the database: `store.url`, or SQLite in `data_dir`."""
        if self.store.url:
            return self.store.url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'voxwarden.db'}"


def in_file() -> dict[str, Any]:
    """The content of the configuration file. Raises ConfigError if it cannot be read."""
    found = yamlfiles.read(config_file(), "Name one with --config or VOXWARDEN_CONFIG.")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{config_file()} is not a mapping of sections", "Take the shipped file as an example.")
    return found


def load(overrides: dict[str, Any] | None = None) -> Settings:
    """Read the settings from all sources. Raises ConfigError with the key, the mistake, and where the key was set."""
    flags = overrides or {}
    _check_environment()
    try:
        return Settings(**flags)
    except ValidationError as error:
        raise _told(error, flags) from error
    except SettingsError as error:
        remedy = """Lists are JSON there, e.g. VOXWARDEN_ASR__LANGUAGES='["en", "zh"]'."""
        raise ConfigError(f"The environment: {error}", remedy) from error


def keys(section: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """All keys, e.g. `asr.model`."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def origin_of(key: str, flags: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Where a key was set, in order of precedence: `--set`, a variable's name, the file's path, or `default`.

    `content` is what `in_file` returns.
    """
    path = key.split(".")
    if _holds(flags, path):
        return "--set"
    names = {name.upper(): name for name in os.environ}
    for length in range(len(path), 0, -1):
        if found := names.get(_variable(path[:length])):
            return found
    return str(config_file()) if _holds(content, path) else "default"


def _told(error: ValidationError, flags: Mapping[str, Any]) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(map(str, first["loc"])).removesuffix(".[key]")
    known = sorted(keys())
    # An error that concerns several keys has no key of its own; its text names them.
    said = first["msg"].removeprefix("Value error, ")
    inside = f"{key}." if key else ""
    named = [one for one in known if one.startswith(inside) and one.removeprefix(inside) in said]
    content = in_file()
    origins = dict.fromkeys(origin_of(one, flags, content) for one in [key, *named] if one)
    places = [origin for origin in origins if origin != "default"]
    remedy = "`voxwarden config show` lists every key."
    if first["type"] == "extra_forbidden":
        said = "there is no such setting"
        if near := get_close_matches(key, known, 1, NEAR):
            remedy = f"Did you mean {near[0]}? {remedy}"
    what = f"Setting {key}: {said}" if key else said
    return ConfigError(what + (f" (from {', '.join(places)})" if places else ""), remedy)


def _check_environment() -> None:
    """Refuse an unknown section, which pydantic-settings would ignore. Warn of a misspelt setting."""
    for name, value in os.environ.items():
        if not name.upper().startswith(PREFIX) or name.upper() == PREFIX + "CONFIG":
            continue
        section, nested, _ = name[len(PREFIX) :].partition("__")
        if nested and section.lower() not in Settings.model_fields:
            near = _nearest_variable(name)
            raise ConfigError(
                f"{name}: there is no section {section.lower()}",
                f"Did you mean {near}?" if near else "`voxwarden config show` lists every key.",
            )
        known = nested or section.lower() in Settings.model_fields or OF_KUBERNETES.match(f"{name}={value}")
        if not known and (near := _nearest_variable(name)):
            log.warning("%s is not a setting and is ignored. Did you mean %s?", name, near)


def _nearest_variable(name: str) -> str | None:
    """The variable of the most similar setting. Missing or additional underscores do not count."""
    known = {re.sub("_+", "_", key.replace(".", "_")): _variable(key.split(".")) for key in keys()}
    found = get_close_matches(re.sub("_+", "_", name[len(PREFIX) :].lower()), known, 1, NEAR)
    return known[found[0]] if found else None


def _variable(path: list[str]) -> str:
    return PREFIX + "__".join(path).upper()


def _holds(tree: Any, path: list[str]) -> bool:
    """Whether `tree` has a value at `path`. A path that leads into a list counts as found."""
    for name in path:
        if isinstance(tree, list | tuple):
            return True
        if not isinstance(tree, Mapping) or name not in tree:
            return False
        tree = tree[name]
    return True
