"""All settings, with their defaults: from flags, then the environment, then `configs/voxwarden.yaml`.

`VOXWARDEN_ASR__MODEL=small` sets `asr.model`; `voxwarden --set asr.model=small` does, too. Secrets (the gateway's
tokens, database and broker passwords) belong in the environment.
"""

import os
import re
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
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)
from yaml import MarkedYAMLError

from pipeline.errors import ConfigError

PREFIX = "VOXWARDEN_"


ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]/]+)(:\d{1,5})?")


def _addresses(text: str) -> str:
    """`HOST:PORT,HOST:PORT`; the client would fail on a wrong one with an error of its own, and late."""
    for address in text.split(","):
        if not ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is no HOST:PORT")
    return text


def configs_folder() -> Path:
    """The shipped `configs/`: inside the package when installed, at the top of a checkout otherwise."""
    packaged = Path(__file__).parent / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "configs"


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Audio(Section):
    """How speech is found and cut."""

    vad_threshold: float = Field(0.5, gt=0, lt=1, description="speech probability from which a frame counts as speech")
    min_seconds: PositiveFloat = Field(0.3, description="shorter speech is dropped")
    max_seconds: float = Field(
        15.0, gt=0, le=30, description="longer speech is cut, at the latest here; Whisper hears 30"
    )
    soft_seconds: PositiveFloat = Field(8.0, description="from here on a monologue is cut at its quietest moment")
    hangover_seconds: PositiveFloat = Field(0.6, description="silence that ends an utterance")
    pad_seconds: float = Field(0.2, ge=0, description="kept before and after the speech")
    overlap_seconds: float = Field(0.5, ge=0, description="repeated after a forced cut")
    idle_seconds: PositiveFloat = Field(3.0, description="without a chunk for so long, what is held is sent on")
    max_gap_seconds: PositiveFloat = Field(2.0, description="a longer hole in a stream ends the utterance")
    reorder_chunks: int = Field(
        8, ge=0, description="so many chunks ahead of a missing one are held before it is given up"
    )
    max_speakers: PositiveInt = Field(
        10_000, description="open speakers in one process; the idlest is closed beyond it"
    )


class Asr(Section):
    """Speech to text."""

    engine: Literal["ctranslate2", "openai-whisper"] = Field("ctranslate2", description="the runtime; docs/asr.md")
    model: str = Field("base", description="a Whisper size, a .pt file, or a CTranslate2 folder")
    folder: Path | None = Field(None, description="where weights are looked for first")
    download: bool = Field(True, description="let weights that are found nowhere else be downloaded")
    adapters: bool = Field(True, description="hear Mandarin with what voxwarden taught `base` of it; docs/asr.md")
    device: str = Field("auto", description="cpu, cuda, cuda:1, or auto")
    language: str | None = Field(None, description="fixed language, e.g. zh; unset: told per utterance")
    languages: tuple[str, ...] = Field(("en", "zh"), description="languages that rooms speak; others only if clear")
    words: bool = Field(False, description="word times for every utterance (slower); flagged ones get estimates else")
    batch: PositiveInt = Field(8, description="utterances decoded together; `voxwarden tune` finds the best")
    workers: PositiveInt | None = Field(None, description="batches decoded at once; unset: one a core")
    beams: dict[str, PositiveInt] = Field(
        {"en": 3}, description="width of the search by language; others: 5, with openai-whisper 1"
    )


class Judge(Section):
    """Text to verdict."""

    model: str | None = Field(None, description="folder or hub id of a classifier; unset: the shipped one")
    label_map: Path | None = Field(None, description="YAML that maps that classifier's labels to ours")
    threads: PositiveInt | None = Field(None, description="that the shipped classifier runs on; unset: one a core")
    policy: str = Field("default", description="name of a file in configs/policies, or a path")
    lexicons: tuple[str, ...] = Field(("en", "zh"), description="names of files in configs/lexicons, or paths")
    labels: Path | None = Field(None, description="label definitions; unset: configs/labels.yaml")
    context_utterances: int = Field(6, ge=0, description="of a room, kept in memory beside the one judged")
    shadow_policies: tuple[str, ...] = Field((), description="judge beside `policy`, counted and never delivered")


class RoomShare(Section):
    """How much of a room type is heard at the least."""

    name: str = Field(min_length=1, max_length=256, description="a room type; `other` is every one that is not named")
    share: float = Field(0.1, ge=0, le=1, description="of its utterances, however great the overload")


class Overload(Section):
    """What is skipped when more is said than can be transcribed."""

    enabled: bool = Field(True, description="off: speech waits, however long, as a backlog of recordings should")
    start_seconds: PositiveFloat = Field(60.0, description="nothing is skipped before speech has waited so long")
    full_seconds: PositiveFloat = Field(300.0, description="from here on only the smallest shares are heard")
    catch_up_seconds: PositiveFloat = Field(
        7_200.0, description="a backlog that the worker can work off within so long is heard whole"
    )
    recover_seconds: PositiveFloat = Field(60.0, description="from the smallest shares back to all, at the soonest")
    room_types: tuple[RoomShare, ...] = Field(
        (
            RoomShare(name="game"),
            RoomShare(name="default"),
            RoomShare(name="other"),
            RoomShare(name="kids", share=0.5),
        ),
        description="the first is skipped first; one that is not here, nor `other`, is never skipped",
    )

    @model_validator(mode="after")
    def _check(self) -> "Overload":
        if self.full_seconds <= self.start_seconds:
            raise ValueError("full_seconds must be more than start_seconds")
        if len({kind.name for kind in self.room_types}) < len(self.room_types):
            raise ValueError("a room type stands twice in room_types")
        return self


class Store(Section):
    """Cases and evidence."""

    url: SecretStr | None = Field(None, description="SQLAlchemy URL; unset: SQLite in data_dir")
    preroll_seconds: float = Field(5.0, ge=0, description="kept before the flagged utterance in the clip")
    lookback_hours: PositiveFloat = Field(24.0, description="how long the local runner keeps utterances on disk")
    lookback_bytes: PositiveInt = Field(2_000_000_000, description="and how many of them at most")
    merge_gap_seconds: float = Field(0.0, ge=0, description="flags of one speaker so near count as one case")
    report_seconds: PositiveFloat = Field(
        180.0, le=540, description="kept of a voice or room from before the moment that a user reports"
    )
    max_case_seconds: PositiveFloat = Field(120.0, description="no case takes more flags than fit into so long")


class Security(Section):
    """Of the connection to the broker, for both client libraries. Keep secrets in the environment."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"] = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    ca_file: Path | None = Field(None, description="PEM; unset: the system's authorities")
    cert_file: Path | None = Field(None, description="PEM; the client's own certificate, for mutual TLS")
    key_file: Path | None = Field(None, description="PEM; its key, unless in cert_file")
    token_file: Path | None = Field(None, description="for OAUTHBEARER; read again at each connection")
    token_command: tuple[str, ...] = Field((), description="for OAUTHBEARER; prints a token, run at each connection")

    @property
    def tls(self) -> bool:
        return self.protocol in {"ssl", "sasl_ssl"}

    @property
    def sasl(self) -> bool:
        return self.protocol in {"sasl_plaintext", "sasl_ssl"}


class Kafka(Section):
    """The broker."""

    bootstrap: Annotated[str, AfterValidator(_addresses)] = Field(
        "127.0.0.1:9092", description="HOST:PORT, several with commas between"
    )
    prefix: str = Field("", description="put before every topic name, e.g. staging.")
    partitions: PositiveInt = 12
    replication: PositiveInt = 1
    max_message_bytes: PositiveInt = Field(1_048_588, description="one limit for topics, producers and consumers")
    connect_seconds: PositiveFloat = Field(15.0, description="a broker that does not answer for so long is an error")
    instance: str | None = Field(
        None, description="a worker's fixed name in its group (static membership), e.g. a pod's"
    )
    dead_letter_share: float = Field(
        0.5, gt=0, le=1, description="share of bad messages, over all senders, that halts; 1: never"
    )
    stall_seconds: PositiveFloat = Field(45.0, description="a lagging worker without a commit is unhealthy")
    security: Security = Security()


class Gateway(Section):
    """WebSocket ingest."""

    host: str = "127.0.0.1"
    port: int = Field(8765, ge=0, le=65_535)
    tokens: tuple[SecretStr, ...] = Field((), description="bearer tokens; at least one, from the environment")
    max_connections: PositiveInt = 2_000
    max_frame_bytes: PositiveInt = 262_144
    max_bytes_per_second: PositiveInt = Field(400_000, description="per connection; PCM at 48 kHz stereo is 192,000")
    burst_seconds: PositiveFloat = Field(10.0, description="so much of it at once, after a stall of the network")
    gap_seconds: PositiveFloat = Field(1.0, description="so far behind the clock, a stream's time jumps to now")
    ping_seconds: PositiveFloat = Field(20.0, description="a silent client is pinged so often, and must answer as soon")
    idle_seconds: PositiveFloat = Field(600.0, description="without a frame for so long, a connection is closed")


class Targets(Section):
    """Seconds within which a case should be decided, by severity of its label."""

    low: PositiveFloat = 14_400.0
    medium: PositiveFloat = 3_600.0
    high: PositiveFloat = 900.0
    critical: PositiveFloat = 300.0


class Quality(Section):
    """Checks of the work, mixed into the queue: docs/console-quality.md."""

    audit_share: float = Field(0.0, ge=0, le=1, description="of passed speech, kept and shown to find what was missed")
    second_share: float = Field(0.05, ge=0, le=1, description="of decisions, for a blind second opinion")
    golden_share: float = Field(0.03, ge=0, le=1, description="golden cases per decision, where leads have marked some")
    draw_seconds: PositiveFloat = Field(15.0, description="how often the console draws")


class Oidc(Section):
    """Signing in by OpenID Connect."""

    issuer: str = Field(description="as the provider calls itself, e.g. https://id.example.org")
    client_id: str
    client_secret: SecretStr | None = Field(None, description="keep it in the environment")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="asked for")
    name_claim: str = Field("preferred_username", description="what an account is called here")
    groups_claim: str = Field("groups", description="where the provider says what somebody belongs to")
    roles: dict[str, Literal["moderator", "lead", "auditor", "admin"]] = Field(
        description="role by group; who is in none of them is refused"
    )
    seconds: PositiveFloat = Field(10.0, description="within which the provider must answer")


class ReviewConsole(Section):
    """The moderators' web page."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    public_url: str = Field("http://127.0.0.1:8080", description="how browsers reach it; the provider sends them there")
    oidc: Oidc | None = Field(None, description="sign in elsewhere, beside local accounts")
    secure_cookies: bool = Field(False, description="on when served over https, by a proxy that ends TLS")
    max_body_bytes: PositiveInt = Field(262_144, description="of a request")
    lease_seconds: PositiveFloat = Field(300.0, description="without activity, a case goes back to all")
    undo_seconds: float = Field(
        10.0, ge=0, le=60, description="so long a decision can be taken back, and webhooks wait"
    )
    poll_seconds: PositiveFloat = Field(0.25, description="how often the store is asked what is new")
    webhook_url: str | None = Field(None, description="where decisions are sent (Standard Webhooks); unset: nowhere")
    webhook_secret: SecretStr | None = Field(None, description="whsec_ and 24 to 64 bytes in base64; signs them")
    webhook_seconds: PositiveFloat = Field(10.0, description="an app that has not answered by then is tried again")
    api_tokens: tuple[SecretStr, ...] = Field((), description="of apps that hand in appeals and reports")
    targets_seconds: Targets = Targets()


class Keep(Section):
    """Days; 0 keeps nothing from the next run of the job on."""

    audio_days: float = Field(ge=0, description="of the clip")
    case_days: float = Field(ge=0, description="of the case: what was said, its flags and decisions")

    @model_validator(mode="after")
    def _check(self) -> "Keep":
        if self.audio_days > self.case_days:
            raise ValueError("audio_days must not be more than case_days: a clip belongs to a case")
        return self


class KeepLabel(Section):
    """What differs for one label; what is left out is kept as for all."""

    open: Keep | None = None
    upheld: Keep | None = None
    dismissed: Keep | None = None


class Retention(Section):
    """How long cases are kept, counted from the last decision, or from their arrival while there is none."""

    open: Keep = Keep(audio_days=90, case_days=180)
    upheld: Keep = Keep(audio_days=190, case_days=365)
    dismissed: Keep = Keep(audio_days=14, case_days=90)
    labels: dict[str, KeepLabel] = Field({}, description="by label, where it is to be kept otherwise")
    logs_days: float = Field(365.0, ge=183, description="of the audit log; half a year at the least")
    every_hours: PositiveFloat = Field(24.0, description="how often the console's process runs the job")


class MetricsServer(Section):
    """Prometheus exposition."""

    host: str = "127.0.0.1"
    port: int = Field(9108, ge=0, le=65_535)


class Settings(BaseSettings):
    """Everything that can be set. Unknown keys are errors, so a typo never passes for a setting."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(Path("voxwarden-data"), description="store, evidence and look-back of one machine")
    audio: Audio = Audio()
    asr: Asr = Asr()
    overload: Overload = Overload()
    judge: Judge = Judge()
    store: Store = Store()
    kafka: Kafka = Kafka()
    gateway: Gateway = Gateway()
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
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=config_file())

    @property
    def database_url(self) -> str:
        if self.store.url:
            return self.store.url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'voxwarden.db'}"


def config_file() -> Path:
    """`VOXWARDEN_CONFIG`, or the shipped `configs/voxwarden.yaml`."""
    return Path(os.environ.get(PREFIX + "CONFIG") or configs_folder() / "voxwarden.yaml")


def load(overrides: dict[str, Any] | None = None) -> Settings:
    """Read all sources; raises ConfigError that names the key and what is wrong with it."""
    if not config_file().is_file():
        raise ConfigError(f"No configuration file at {config_file()}", "Name one with --config or VOXWARDEN_CONFIG.")
    _check_environment()
    try:
        return Settings(**(overrides or {}))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError(f"Setting {key}: {first['msg']}", "`voxwarden config show` lists every key.") from error
    except SettingsError as error:
        remedy = """Lists are JSON there, e.g. VOXWARDEN_ASR__LANGUAGES='["en", "zh"]'."""
        raise ConfigError(f"The environment: {error}", remedy) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{config_file()}, line {line}, is not YAML: {error.problem}", "Mend it there.") from error
    except ValueError as error:
        raise ConfigError(f"The settings cannot be read: {error}", f"Check {config_file()}.") from error


def _check_environment() -> None:
    """Refuse a section that does not exist, which pydantic-settings would pass over.

    Names without the double underscore are left alone: Kubernetes sets such for every service, VOXWARDEN_PORT and more.
    """
    for name in os.environ:
        section, nested, _ = name.removeprefix(PREFIX).partition("__")
        if name.startswith(PREFIX) and nested and section.lower() not in Settings.model_fields:
            raise ConfigError(f"{name}: there is no section {section.lower()}", "`voxwarden config show` lists them.")
