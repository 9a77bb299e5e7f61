"""All settings and their defaults. Flags override the environment, which overrides `configs/voxwarden.yaml`.

Both `VOXWARDEN_ASR__MODEL=small` and `voxwarden --set asr.model=small` set `asr.model`. Keep secrets (the gateway's
tokens, database and broker passwords) in the environment.

The limits of each setting refuse values that would switch moderation off.
"""

from pipeline.settings.connections import (
    ActionRule,
    Api,
    ApiToken,
    GatewaySettings,
    LiveKitSettings,
    MetricsServer,
    RtpSettings,
    Scope,
)
from pipeline.settings.console import LadderStep, MeasuresSettings, Oidc, ReviewConsole
from pipeline.settings.judge_settings import JudgeSettings, ListenSettings, ReaderSettings
from pipeline.settings.kafka import Kafka, Security
from pipeline.settings.loading import keys, load, origin_of
from pipeline.settings.review import (
    AssessmentSettings,
    AuditSettings,
    EvidenceSettings,
    Keep,
    KeepLabel,
    Quality,
    Retention,
    Store,
)
from pipeline.settings.speech import Asr, Audio, LanguageCode, Overload, RoomShare
from pipeline.settings.tree import Settings, in_file
from pipeline.settings.webhooks import CoopSettings, FlagEvents, VendorSettings, WebhookSettings

__all__ = [
    "ActionRule",
    "Api",
    "ApiToken",
    "Asr",
    "AssessmentSettings",
    "Audio",
    "AuditSettings",
    "CoopSettings",
    "EvidenceSettings",
    "FlagEvents",
    "GatewaySettings",
    "JudgeSettings",
    "Kafka",
    "Keep",
    "KeepLabel",
    "LadderStep",
    "LanguageCode",
    "ListenSettings",
    "LiveKitSettings",
    "MeasuresSettings",
    "MetricsServer",
    "Oidc",
    "Overload",
    "Quality",
    "ReaderSettings",
    "Retention",
    "ReviewConsole",
    "RoomShare",
    "RtpSettings",
    "Scope",
    "Security",
    "Settings",
    "Store",
    "VendorSettings",
    "WebhookSettings",
    "in_file",
    "keys",
    "load",
    "origin_of",
]
