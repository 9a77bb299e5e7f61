"""All sections together, and the sources of their values."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import PREFIX, config_file
from pipeline.settings.connections import Api, GatewaySettings, LiveKitSettings, MetricsServer, RtpSettings
from pipeline.settings.console import MeasuresSettings, ReviewConsole
from pipeline.settings.judge_settings import JudgeSettings, ListenSettings, ReaderSettings
from pipeline.settings.kafka import Kafka
from pipeline.settings.review import AssessmentSettings, AuditSettings, EvidenceSettings, Quality, Retention, Store
from pipeline.settings.speech import Asr, Audio, Overload
from pipeline.settings.webhooks import WebhookSettings


class Settings(BaseSettings):
    """All settings. An unknown key is an error, so that a typing mistake is noticed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        nested_model_default_partial_update=True,  # one key of a section keeps the other defaults of the section
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
        del dotenv_settings, file_secret_settings  # `origin_of` could not name them as the source of a value
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=in_file())

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        if "dead_air" in self.listen.sounds and self.kafka.room_shards > 1:
            raise ValueError(
                "listen.sounds has dead_air, which needs kafka.room_shards 1: else no worker hears a whole room"
            )
        return self

    @property
    def database_url(self) -> str:
        """The URL of the database: `store.url`, or SQLite in `data_dir`."""
        if self.store.url:
            return self.store.url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'voxwarden.db'}"


def in_file() -> dict[str, Any]:
    """The content of the configuration file. Raises ConfigError if it cannot be read."""
    found = yaml_reading.read_yaml(config_file(), "Name one with --config or VOXWARDEN_CONFIG.")
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise ConfigError(f"{config_file()} is not a mapping of sections", "Take the shipped file as an example.")
    return found
