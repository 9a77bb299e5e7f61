"""Settings of the evidence: where the clips are, and how they are encrypted."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, SecretStr, model_validator

from pipeline.settings.section import Section

KEY_BYTES = 32


def _key(text: SecretStr) -> SecretStr:
    try:
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
    kms_endpoint: Endpoint | None = Field(None, description="URL of the KMS; unset: that of AWS in evidence.s3.region")

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
        None, description="PEM file of certificate authorities; unset: those that come with botocore"
    )
    timeout_seconds: PositiveFloat = Field(
        5.0, le=60, description="seconds without an answer that count as an error; a request is tried twice"
    )
    server_encryption: Literal["AES256", "aws:kms"] | None = Field(
        None, description="encryption that the server must apply and confirm for each clip"
    )
    server_kms_key: str | None = Field(None, description="key of the server for aws:kms; unset: the bucket's key")
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
