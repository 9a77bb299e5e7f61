"""All settings, with their defaults: from flags, then the environment, then `configs/voxwarden.yaml`.

`VOXWARDEN_ASR__MODEL=small` sets `asr.model`; `voxwarden --set asr.model=small` does, too. Secrets (the gateway's
tokens, database and broker passwords) belong in the environment.

A value that would switch moderation off is refused. So each limit here says from where on speech is no longer heard.
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
"""What Kubernetes sets for a service named voxwarden or voxwarden-gateway, as NAME=VALUE."""
NEAR = 0.8
"""How similar a name is to a valid one, from 0 to 1, to be taken for a mistake."""

STORE_URL = re.compile(r"(sqlite|postgres(ql)?(\+psycopg)?)://")
BYTES_PER_SECOND = 32_000
"""Of an utterance, at the most: FLAC is never larger than PCM of 16 kHz."""
RECORD_BYTES = 65_536
"""Of a record without its audio, at the most."""


ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s,:\[\]/]+)(:\d{1,5})?")


def _addresses(text: str) -> str:
    """`HOST:PORT,HOST:PORT`; the client would fail on a wrong one with an error of its own, and late."""
    for address in text.split(","):
        if not ADDRESS.fullmatch(address):
            raise ValueError(f"{address!r} is no HOST:PORT")
    return text


def _store_url(url: SecretStr) -> SecretStr:
    if not STORE_URL.match(url.get_secret_value()):
        raise ValueError("the store is sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    return url


LanguageCode = Annotated[str, AfterValidator(check_code)]
"""A code that Whisper writes, e.g. zh."""


SHORTEST_TOKEN = 16
"""Characters: a shorter one could be guessed."""


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        made = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise ValueError(f"a token shorter than {SHORTEST_TOKEN} characters; make one: {made}")
    return token


Token = Annotated[SecretStr, AfterValidator(_token)]
"""What a program shows to be let in."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Audio(Section):
    """How speech is found and cut."""

    vad_threshold: float = Field(
        0.5, gt=0, le=0.9, description="speech probability from which a frame counts as speech"
    )
    min_seconds: float = Field(0.3, gt=0, le=1, description="shorter speech is dropped")
    max_seconds: float = Field(
        15.0, ge=3, le=30, description="longer speech is cut at the latest here; Whisper hears 30"
    )
    soft_seconds: float = Field(8.0, ge=2, le=30, description="from here on a monologue is cut at its quietest moment")
    hangover_seconds: float = Field(0.6, gt=0, le=5, description="silence that ends an utterance")
    pad_seconds: float = Field(0.2, ge=0, le=1, description="kept before and after the speech")
    overlap_seconds: float = Field(0.5, ge=0, le=1.5, description="repeated after a forced cut")
    idle_seconds: float = Field(3.0, gt=0, le=60, description="without a chunk for so long, held speech is sent on")
    max_gap_seconds: float = Field(2.0, gt=0, le=60, description="a longer hole in a stream ends the utterance")
    reorder_chunks: int = Field(
        8, ge=0, le=500, description="chunks after a missing one that are held before it is given up"
    )
    max_speakers: int = Field(
        10_000, ge=100, description="open speakers in one process; the idlest is closed beyond it"
    )

    @model_validator(mode="after")
    def _check(self) -> "Audio":
        if self.soft_seconds > self.max_seconds:
            raise ValueError(
                f"soft_seconds ({self.soft_seconds:g}) must not be above max_seconds ({self.max_seconds:g})"
            )
        return self


class Asr(Section):
    """Speech to text."""

    engine: Literal["ctranslate2", "openai-whisper"] = Field("ctranslate2", description="the runtime; docs/asr.md")
    model: str = Field("base", description="a Whisper size, a .pt file, or a CTranslate2 folder")
    folder: Path | None = Field(None, description="where weights are looked for first")
    download: bool = Field(True, description="let weights that are found nowhere else be downloaded")
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="commit of the hub's conversion, for ctranslate2 sizes without a pinned SHA-256",
    )
    adapters: bool = Field(True, description="hear Mandarin with what voxwarden taught `base` of it; docs/asr.md")
    device: str = Field("auto", description="cpu, cuda, cuda:1, or auto")
    language: LanguageCode | None = Field(None, description="fixed language, e.g. zh; unset: told per utterance")
    languages: tuple[LanguageCode, ...] = Field(
        ("en", "zh"), min_length=1, description="languages that rooms speak; others only if clear"
    )
    words: bool = Field(False, description="word times for every utterance (slower); flagged ones get estimates else")
    batch: int = Field(8, ge=1, le=512, description="utterances decoded together; `voxwarden tune` finds the best")
    workers: PositiveInt | None = Field(None, description="batches decoded at once; unset: one a core")
    beams: dict[LanguageCode, Annotated[int, Field(ge=1, le=20)]] = Field(
        {}, description="width of the search by language; others: its language.yaml, else 5 (openai-whisper: 1)"
    )


class JudgeSettings(Section):
    """Text to verdict."""

    model: str | None = Field(None, description="folder or hub id (owner/name@commit) of a classifier; unset: shipped")
    label_map: Path | None = Field(None, description="YAML that maps that classifier's labels to ours")
    threads: PositiveInt | None = Field(None, description="that the shipped classifier runs on; unset: one a core")
    policy: str = Field("default", description="name of a file in configs/policies, or a path")
    lexicons: tuple[str, ...] = Field(("en", "zh"), description="language codes, or paths of lexicons")
    labels: Path | None = Field(None, description="label definitions; unset: configs/labels.yaml")
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
    recover_seconds: float = Field(
        60.0, gt=0, le=3600, description="from the smallest shares back to all, at the soonest"
    )
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

    url: Annotated[SecretStr, AfterValidator(_store_url)] | None = Field(
        None, description="postgresql:// or sqlite:// URL; unset: SQLite in data_dir"
    )
    preroll_seconds: float = Field(5.0, ge=0, le=60, description="kept before the flagged utterance in the clip")
    lookback_hours: float = Field(24.0, ge=0.25, description="how long the local runner keeps utterances on disk")
    lookback_bytes: int = Field(2_000_000_000, ge=10_000_000, description="and how many of them at most")
    merge_gap_seconds: float = Field(0.0, ge=0, le=600, description="flags of one speaker so near count as one case")
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


class Batching(Section):
    """How many messages a stage takes at once."""

    batch: PositiveInt = Field(description="messages handed over at once, at most")
    wait_seconds: float = Field(ge=0, le=5, description="a batch is handed over so long after its first message")


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
        topic.key: (PositiveFloat, Field(topic.retention_hours, description=f"how long {topic.name} keeps a record"))
        for topic in TOPICS
    },
)


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
    retention_hours: RetentionHours = RetentionHours()  # type: ignore[valid-type]
    security: Security = Security()

    def retention_seconds(self, topic: Topic) -> float:
        """How long `topic` keeps a record."""
        hours: float = getattr(self.retention_hours, topic.key)
        return hours * 3600

    @property
    def longest_retention_seconds(self) -> float:
        """How long any topic keeps a record."""
        return max(map(self.retention_seconds, TOPICS))


class GatewaySettings(Section):
    """WebSocket ingest."""

    host: str = "127.0.0.1"
    port: int = Field(8765, ge=0, le=65_535)
    tokens: tuple[Token, ...] = Field((), description="bearer tokens of 16 characters or more, from the environment")
    max_connections: PositiveInt = 2_000
    max_frame_bytes: PositiveInt = 262_144
    max_bytes_per_second: PositiveInt = Field(400_000, description="per connection; PCM at 48 kHz stereo is 192,000")
    max_frames_per_second: PositiveInt = Field(500, description="per connection; Opus has at most 400 packets")
    max_speed: float = Field(2.0, ge=1, description="seconds of audio a second, per connection")
    max_invalid_per_second: PositiveFloat = Field(5.0, description="frames that are no audio, per connection")
    burst_seconds: PositiveFloat = Field(10.0, description="so much of each at once, after a stall of the network")
    gather_seconds: float = Field(0.2, ge=0, le=5, description="one record holds the frames of so long")
    buffer_seconds: PositiveFloat = Field(5.0, description="of audio that Kafka has not confirmed, per connection")
    buffer_bytes: PositiveInt = Field(67_108_864, description="the same, of all connections together")
    confirm_seconds: PositiveFloat = Field(10.0, description="audio that Kafka confirms later ends its connection")
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
    webhook_url: str | None = Field(
        None, pattern="^https?://", description="where decisions are sent (Standard Webhooks); unset: nowhere"
    )
    webhook_secret: SecretStr | None = Field(None, description="whsec_ and 24 to 64 bytes in base64; signs them")
    webhook_seconds: PositiveFloat = Field(10.0, description="an app that has not answered by then is tried again")
    api_tokens: tuple[Token, ...] = Field(
        (), description="of apps that hand in appeals and reports; 16 characters or more"
    )
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
    every_hours: float = Field(24.0, gt=0, le=168, description="how often the console's process runs the job")

    @model_validator(mode="after")
    def _check(self) -> "Retention":
        """Nobody could decide a case that is deleted before it is seen."""
        for name, kept in (("open", self.open), *((f"labels.{name}.open", k.open) for name, k in self.labels.items())):
            if kept and kept.case_days < 1:
                raise ValueError(
                    f"{name}.case_days must be at least 1: moderators must see a case before it is deleted"
                )
        return self


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
        allow_inf_nan=False,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(Path("voxwarden-data"), description="store, evidence and look-back of one machine")
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
        """How many messages `stage` takes at once."""
        found: Batching = getattr(self.stages, stage.name)
        return found

    @property
    def database_url(self) -> str:
        if self.store.url:
            return self.store.url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'voxwarden.db'}"


def in_file() -> dict[str, Any]:
    """What the configuration file says; raises ConfigError."""
    found = yamlfiles.read(config_file(), "Name one with --config or VOXWARDEN_CONFIG.") or {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{config_file()} is no mapping of sections", "Write it as the shipped file is written.")
    return found


def load(overrides: dict[str, Any] | None = None) -> Settings:
    """Read all sources; raises ConfigError that names the key, what is wrong with it, and where it was set."""
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
    """Every key, e.g. `asr.model`."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def origin_of(key: str, flags: Mapping[str, Any]) -> str:
    """Where a key was set: a flag, a variable, the file's path, or `default`. In order of precedence."""
    path = key.split(".")
    if _holds(flags, path):
        return "--set"
    names = {name.upper(): name for name in os.environ}
    for length in range(len(path), 0, -1):
        if found := names.get(_variable(path[:length])):
            return found
    return str(config_file()) if _holds(in_file(), path) else "default"


def _told(error: ValidationError, flags: Mapping[str, Any]) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    key = ".".join(map(str, first["loc"])).removesuffix(".[key]")
    known = sorted(keys())
    # What is wrong with several keys together names them.
    said = first["msg"].removeprefix("Value error, ")
    inside = f"{key}." if key else ""
    named = [one for one in known if one.startswith(inside) and one.removeprefix(inside) in said]
    origins = dict.fromkeys(origin_of(one, flags) for one in [key, *named] if one)
    places = [origin for origin in origins if origin != "default"]
    remedy = "`voxwarden config show` lists every key."
    if first["type"] == "extra_forbidden":
        said = "there is no such setting"
        if near := get_close_matches(key, known, 1, NEAR):
            remedy = f"Did you mean {near[0]}? {remedy}"
    what = f"Setting {key}: {said}" if key else said
    return ConfigError(what + (f" (from {', '.join(places)})" if places else ""), remedy)


def _check_environment() -> None:
    """Refuse a section that does not exist, which pydantic-settings ignores. Warn of what is almost a setting."""
    for name, value in os.environ.items():
        if not name.upper().startswith(PREFIX) or name.upper() == PREFIX + "CONFIG":
            continue
        section, nested, _ = name[len(PREFIX) :].partition("__")
        if nested and section.lower() not in Settings.model_fields:
            near = _nearest_variable(name)
            raise ConfigError(
                f"{name}: there is no section {section.lower()}",
                f"Did you mean {near}?" if near else "`voxwarden config show` lists them.",
            )
        known = nested or section.lower() in Settings.model_fields or OF_KUBERNETES.match(f"{name}={value}")
        if not known and (near := _nearest_variable(name)):
            log.warning("%s is no setting, and is not read. Did you mean %s?", name, near)


def _nearest_variable(name: str) -> str | None:
    """Of a setting; an underscore too few or too many counts for nothing."""
    known = {re.sub("_+", "_", key.replace(".", "_")): _variable(key.split(".")) for key in keys()}
    found = get_close_matches(re.sub("_+", "_", name[len(PREFIX) :].lower()), known, 1, NEAR)
    return known[found[0]] if found else None


def _variable(path: list[str]) -> str:
    return PREFIX + "__".join(path).upper()


def _holds(tree: Any, path: list[str]) -> bool:
    """A path may go on into a list, as that of a mistake in one of its items does."""
    for name in path:
        if isinstance(tree, list | tuple):
            return True
        if not isinstance(tree, Mapping) or name not in tree:
            return False
        tree = tree[name]
    return True
