"""All settings and their defaults. Flags override the environment, which overrides `configs/voxwarden.yaml`.

Both `VOXWARDEN_ASR__MODEL=small` and `voxwarden --set asr.model=small` set `asr.model`. Keep secrets (the gateway's
tokens, database and broker passwords) in the environment.

The limits of each setting refuse values that would switch moderation off.
"""

from pipeline.settings.api import Api, ApiToken, Scope
from pipeline.settings.asr import Asr, LanguageCode
from pipeline.settings.assessment import AssessmentSettings
from pipeline.settings.audio import Audio
from pipeline.settings.audit import AuditSettings
from pipeline.settings.console import ReviewConsole
from pipeline.settings.drills import Drills
from pipeline.settings.evidence import EvidenceSettings
from pipeline.settings.file import in_file
from pipeline.settings.gateway import GatewaySettings
from pipeline.settings.judge import JudgeSettings
from pipeline.settings.kafka import Kafka
from pipeline.settings.listen import ListenSettings
from pipeline.settings.livekit import ActionRule, LiveKitSettings
from pipeline.settings.loading import load
from pipeline.settings.measures import LadderStep, MeasuresSettings
from pipeline.settings.metrics import MetricsServer
from pipeline.settings.oidc import Oidc
from pipeline.settings.origin import keys, origin_of
from pipeline.settings.overload import Overload, RoomShare
from pipeline.settings.quality import Quality
from pipeline.settings.reader import ReaderSettings
from pipeline.settings.retention import Keep, KeepLabel, Retention
from pipeline.settings.rtp import RtpSettings
from pipeline.settings.security import Security
from pipeline.settings.stages import Batching
from pipeline.settings.store import Store
from pipeline.settings.tree import Settings
from pipeline.settings.triggers import Triggers
from pipeline.settings.webhooks import CoopSettings, FlagEvents, VendorSettings, WebhookSettings

__all__ = [
    "ActionRule",
    "Api",
    "ApiToken",
    "Asr",
    "AssessmentSettings",
    "Audio",
    "AuditSettings",
    "Batching",
    "CoopSettings",
    "Drills",
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
    "Triggers",
    "VendorSettings",
    "WebhookSettings",
    "in_file",
    "keys",
    "load",
    "origin_of",
]
