"""All sections together, and the sources of their values."""

from pathlib import Path

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.base.user_files import PREFIX
from pipeline.contract.topology import Stage
from pipeline.settings.api import Api
from pipeline.settings.asr import Asr
from pipeline.settings.assessment import AssessmentSettings
from pipeline.settings.audio import Audio
from pipeline.settings.audit import AuditSettings
from pipeline.settings.console import ReviewConsole
from pipeline.settings.evidence import EvidenceSettings
from pipeline.settings.file import in_file
from pipeline.settings.gateway import GatewaySettings
from pipeline.settings.judge import JudgeSettings
from pipeline.settings.kafka import Kafka
from pipeline.settings.listen import ListenSettings
from pipeline.settings.livekit import LiveKitSettings
from pipeline.settings.measures import MeasuresSettings
from pipeline.settings.metrics import MetricsServer
from pipeline.settings.overload import Overload
from pipeline.settings.quality import Quality
from pipeline.settings.reader import ReaderSettings
from pipeline.settings.retention import Retention
from pipeline.settings.rtp import RtpSettings
from pipeline.settings.stages import Batching, Stages
from pipeline.settings.store import Store
from pipeline.settings.webhooks import WebhookSettings

BYTES_PER_SECOND = 32_000
"""Largest size of an utterance per second: FLAC is never larger than 16-bit PCM at 16 kHz."""
RECORD_BYTES = 65_536
"""Largest size of a record without its audio."""


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
    listen: ListenSettings = ListenSettings()
    asr: Asr = Asr()
    overload: Overload = Overload()
    judge: JudgeSettings = JudgeSettings()
    reader: ReaderSettings = ReaderSettings()
    store: Store = Store()
    evidence: EvidenceSettings = EvidenceSettings()
    stages: Stages = Stages()  # type: ignore[valid-type]
    kafka: Kafka = Kafka()
    gateway: GatewaySettings = GatewaySettings()
    livekit: LiveKitSettings = LiveKitSettings()
    rtp: RtpSettings = RtpSettings()
    console: ReviewConsole = ReviewConsole()
    measures: MeasuresSettings = MeasuresSettings()
    webhooks: WebhookSettings = WebhookSettings()
    api: Api = Api()
    audit: AuditSettings = AuditSettings()
    retention: Retention = Retention()
    quality: Quality = Quality()
    assessment: AssessmentSettings = AssessmentSettings()
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
        if "dead_air" in self.listen.sounds and self.kafka.room_shards > 1:
            raise ValueError(
                "listen.sounds has dead_air, which needs kafka.room_shards 1: else no worker hears a whole room"
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
