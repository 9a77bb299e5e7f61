"""Settings of the review store, its evidence, audit log and retention, and of the security assessment."""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, SecretStr, model_validator

from pipeline.settings.section import HttpUrl, Section

STORE_URL = re.compile(r"(sqlite|postgres(ql)?(\+psycopg)?)://")


def _store_url(url: SecretStr) -> SecretStr:
    if not STORE_URL.match(url.get_secret_value()):
        raise ValueError("the URL must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME")
    return url


class Store(Section):
    """Cases and evidence."""

    url: Annotated[SecretStr, AfterValidator(_store_url)] | None = Field(
        None, description="URL of the database, postgresql:// or sqlite://; unset: SQLite in data_dir"
    )
    lookback_hours: float = Field(24.0, ge=0.25, description="hours that one machine keeps utterances on disk")
    lookback_bytes: int = Field(
        2_000_000_000, ge=10_000_000, description="maximum size of these utterances on disk, in bytes"
    )


KEY_BYTES = 32  # AES-256


def _key(text: SecretStr) -> SecretStr:
    try:
        # `validate`, because otherwise Python skips characters that are not base64.
        size = len(base64.b64decode(text.get_secret_value(), validate=True))
    except binascii.Error:
        size = 0
    if size != KEY_BYTES:
        raise ValueError("a key is 32 random bytes in base64; create one with: openssl rand -base64 32")
    return text


def _endpoint(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise ValueError("the endpoint must be https://HOST:PORT or http://HOST:PORT")
    return url.rstrip("/")


Endpoint = Annotated[str, AfterValidator(_endpoint)]


class EvidenceKey(Section):
    """A key that encrypts the keys of clips."""

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="name of the key, which each clip states")
    key: Annotated[SecretStr, AfterValidator(_key)] = Field(description="32 random bytes in base64")


class EvidenceEncryption(Section):
    """Encryption of clips before they are stored. The first key encrypts; all keys decrypt."""

    keys: tuple[EvidenceKey, ...] = Field((), description="keys as {id, key}; set them in the environment")
    keys_file: Path | None = Field(None, description="YAML file with a list of such keys, in place of `keys`")
    kms_keys: tuple[str, ...] = Field(
        (), description="ARNs of keys in AWS KMS; if there is one, new clips use it and not `keys`"
    )
    kms_endpoint: Endpoint | None = Field(
        None, description="URL of the KMS; unset: the KMS of AWS in evidence.s3.region"
    )

    @model_validator(mode="after")
    def _check(self) -> "EvidenceEncryption":
        if self.keys and self.keys_file:
            raise ValueError("keys and keys_file exclude each other")
        names = [key.id for key in self.keys]
        if len(set(names)) < len(names):
            raise ValueError("two keys have the same id")
        return self


class S3(Section):
    """The S3 server. Without `access_key`, the usual sources of AWS apply: environment, files, roles of machines."""

    bucket: str = Field("", description="name of the bucket; it must exist")
    prefix: str = Field(
        "", pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$", description="folder in the bucket, e.g. `voxwarden/`"
    )
    endpoint: Endpoint | None = Field(None, description="URL of the server; unset: Amazon S3 in `region`")
    region: str = Field("us-east-1", description="region that requests are signed for")
    addressing: Literal["path", "virtual"] = Field(
        "path", description="where a request names the bucket; virtual: in the host name"
    )
    access_key: SecretStr | None = Field(None, description="access key; set it in the environment")
    secret_key: SecretStr | None = Field(None, description="secret of the access key; set it in the environment")
    ca_file: Path | None = Field(
        None, description="PEM file of certificate authorities; unset: the authorities in botocore"
    )
    server_encryption: Literal["AES256", "aws:kms"] | None = Field(
        None, description="encryption that the server must apply and confirm for each clip"
    )
    object_lock: bool = Field(False, description="also set a legal hold on the server for each clip on hold")

    @model_validator(mode="after")
    def _check(self) -> "S3":
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        return self


class EvidenceSettings(Section):
    """Where clips are stored."""

    store: Literal["folder", "s3"] = Field("folder", description="folder: `evidence` in data_dir; s3: a bucket")
    s3: S3 = S3()
    encryption: EvidenceEncryption = EvidenceEncryption()

    @model_validator(mode="after")
    def _check(self) -> "EvidenceSettings":
        if self.store == "s3" and not self.s3.bucket:
            raise ValueError("s3.bucket must be set if store is s3")
        return self


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
    # 183: the law asks for logs of six months, and the database refuses to delete a younger line.
    logs_days: float = Field(365.0, ge=183, description="days to keep the audit log; at least half a year")
    in_console: bool = Field(
        True, description="whether the console's process runs the job; false: run `voxwarden retention run` each day"
    )

    @model_validator(mode="after")
    def _check(self) -> "Retention":
        """Refuse to delete open cases within a day."""
        for name, kept in (("open", self.open), *((f"labels.{name}.open", k.open) for name, k in self.labels.items())):
            if kept and kept.case_days < 1:
                raise ValueError(
                    f"{name}.case_days must be at least 1: moderators must see a case before it is deleted"
                )
        return self


class Quality(Section):
    """Quality checks that are mixed into the queue: docs/console-quality.md."""

    audit_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of passed speech that moderators check for missed violations; "
        "160 divided by the upheld flags of a quarter gives recall to 5 percentage points",
    )
    second_share: float = Field(
        0.05, ge=0, le=1, description="share of decisions that a second moderator checks without seeing the first"
    )
    golden_share: float = Field(
        0.03, ge=0, le=1, description="golden cases shown per decision, if leads have marked any"
    )


class AuditSettings(Section):
    """Anchors of the audit log: its signed head, written where the owner of the database cannot change it."""

    anchor_file: Path | None = Field(
        None, description="file to which the console adds anchors; best on another machine"
    )
    anchor_url: HttpUrl | None = Field(None, description="URL to which the console sends each anchor as JSON")
    key: Path | None = Field(None, description="the key that signs anchors; unset: audit.key in data_dir")

    @property
    def places(self) -> bool:
        """Whether anchors are written anywhere."""
        return bool(self.anchor_file or self.anchor_url)


class AssessmentSettings(Section):
    """The security assessment: docs/assessment.md."""

    limits: dict[Annotated[str, Field(pattern=r"^I-\d\d\.[a-z0-9_]+$")], float] = Field(
        {}, description="your limit for a figure of all speech, e.g. I-02.share: 0.99; no law sets one"
    )
    acknowledge_hours: PositiveFloat | None = Field(
        None, description="stated hours to acknowledge a user's report; unset: none is stated"
    )
    report_hours: PositiveFloat | None = Field(
        None, description="stated hours to close a user's report; unset: none is stated"
    )
    appeal_hours: PositiveFloat | None = Field(
        None, description="stated hours to settle an appeal; unset: none is stated"
    )
    zone: str = Field(
        "Asia/Shanghai", description="time zone of the report's days and times, e.g. Europe/Berlin or UTC"
    )
    key: Path | None = Field(None, description="the key that signs bundles; unset: assessment.key in data_dir")
