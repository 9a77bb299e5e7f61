"""Evidence clips in a bucket of an S3 server, which all hosts share, and wrapping keys in AWS KMS.

botocore is an optional dependency. So only this file imports it, and others import this file when they need it.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError
from botocore.loaders import create_loader
from botocore.session import Session
from urllib3.exceptions import HTTPError

from pipeline.base.errors import ConfigError, DependencyError, VoxwardenError
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.evidence.sealing import ClipDamaged, WrappingKey
from pipeline.settings import EvidenceSettings
from pipeline.settings.review import S3

ATTEMPTS = 2
"""How often a request is tried. The runner of the stage retries later, and a batch must end before Kafka's limit."""

TIMEOUT_SECONDS = 5.0
"""Time for the server to connect and to answer: far above a healthy answer, far below Kafka's limit of a batch."""

CREDENTIALS = (
    "Set VOXWARDEN_EVIDENCE__S3__ACCESS_KEY and VOXWARDEN_EVIDENCE__S3__SECRET_KEY to an account of the server."
)

REFUSED: Mapping[str, tuple[type[VoxwardenError], str]] = {
    "InvalidAccessKeyId": (ConfigError, CREDENTIALS),
    "SignatureDoesNotMatch": (ConfigError, CREDENTIALS),
    "UnrecognizedClientException": (ConfigError, CREDENTIALS),
    "AuthorizationHeaderMalformed": (ConfigError, "Correct evidence.s3.region."),
    "PermanentRedirect": (ConfigError, "Correct evidence.s3.endpoint and evidence.s3.region."),
    "NoSuchBucket": (ConfigError, "Create the bucket, or correct evidence.s3.bucket."),
    "NotFoundException": (ConfigError, "Correct evidence.encryption.kms_keys."),
    "RequestTimeTooSkewed": (DependencyError, "Synchronise this machine's clock, for example by NTP."),
    "ExpiredToken": (DependencyError, "Renew the credentials of this machine."),
    "DisabledException": (DependencyError, "Enable the key in the KMS."),
    "KMSInvalidStateException": (DependencyError, "Enable the key in the KMS."),
}
"""The kind of our error and its remedy, by the server's code of the error."""

BROKEN = (BotoCoreError, HTTPError)
"""Errors of the connection. botocore raises most of them, and its HTTP library those within a download."""

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
"""Codes of the answer to an account that may not do this. A locked object gives the same answer."""


OTHER_KEY_CODES = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "ValidationException"})
"""Codes of the answer to a wrapped key that is not a key of this clip."""


class Forbidden(DependencyError):  # noqa: N818
    """The server does not allow this account the request, or a lock protects the object."""


def s3_client(settings: S3) -> Any:
    """Return a client of the S3 server. Threads may share it."""
    if settings.access_key is None or settings.secret_key is None:
        return client("s3", settings, settings.endpoint)
    account = {
        "aws_access_key_id": settings.access_key.get_secret_value(),
        "aws_secret_access_key": settings.secret_key.get_secret_value(),
    }
    return client("s3", settings, settings.endpoint, **account)


def client(service: str, settings: S3, endpoint: str | None, **account: str) -> Any:
    """Return a client of `service` (s3 or kms). Without an `account`, the usual sources of AWS name one."""
    session = Session()
    session.register_component("data_loader", _loader())
    return session.create_client(
        service,
        region_name=settings.region,
        endpoint_url=endpoint,
        **account,
        verify=str(settings.ca_file) if settings.ca_file else None,
        config=Config(
            connect_timeout=TIMEOUT_SECONDS,
            read_timeout=TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            signature_version="v4" if service == "kms" else "s3v4",
            # Signed content: the server refuses a body that was cut or changed on the way.
            s3={"addressing_style": settings.addressing, "payload_signing_enabled": True},
            # Our own checksum is in the header; some servers refuse the one that botocore would put behind the body.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@cache
def _loader() -> Any:
    """Return the reader of the descriptions of AWS's services. It keeps them in memory: to read them takes long."""
    return create_loader()


@contextmanager
def explained(server: str) -> Iterator[None]:
    """Raise botocore's errors as ours. `server` names the server and what was asked."""
    try:
        yield
    except ClientError as error:
        raise _refused(error, server) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigError(f"{server}: there are no credentials", CREDENTIALS) from error
    except BROKEN as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DependencyError(f"{server} does not answer: {reason}", "Check the server and the network.") from error


def code_of(error: ClientError) -> str:
    """Return the server's code of an error, for example NoSuchKey."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(error: ClientError, server: str) -> VoxwardenError:
    code = code_of(error)
    if code in DENIED:
        remedy = (
            "Give its account the rights that docs/evidence.md lists. A legal hold on the server also refuses this."
        )
        return Forbidden(f"{server}: access denied", remedy)
    kind, remedy = REFUSED.get(code, (DependencyError, "Check the server and its log."))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    return kind(f"{server}: {code} ({status})" if status else f"{server}: {code}", remedy)


class KmsKey(WrappingKey):
    """One key in AWS KMS, or in a service with the same interface. The key never leaves the service.

    The clip's path is the encryption context, so the log of the KMS names the clip.
    """

    def __init__(self, kms: Any, key: str) -> None:
        self._kms = kms
        self._key = key

    def make(self, path: str) -> tuple[bytes, bytes]:
        with explained(f"KMS key {self._key}"):
            made = self._kms.generate_data_key(KeyId=self._key, KeySpec="AES_256", EncryptionContext={"clip": path})
        return bytes(made["Plaintext"]), bytes(made["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, path: str) -> bytes:
        with explained(f"KMS key {self._key}"):
            try:
                found = self._kms.decrypt(CiphertextBlob=wrapped, KeyId=self._key, EncryptionContext={"clip": path})
            except ClientError as error:
                if code_of(error) in OTHER_KEY_CODES:
                    raise ClipDamaged(path) from error
                raise
        return bytes(found["Plaintext"])


def open_kms_keys(settings: EvidenceSettings) -> Mapping[str, WrappingKey]:
    """Return the keys of `evidence.encryption.kms_keys`, by their ARNs."""
    kms = client("kms", settings.s3, settings.encryption.kms_endpoint)
    return {key: KmsKey(kms, key) for key in settings.encryption.kms_keys}


MAX_BYTES = 64 * 2**20
"""A larger object is no clip: ten minutes take 2 MB."""
ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "404"})


class S3Evidence(EvidenceStore):
    """Clips as objects. An object appears completely or not at all, because each is one signed request.

    A bucket may keep versions, which object lock needs. Then `remove` deletes all versions of a clip.
    """

    def __init__(self, settings: EvidenceSettings) -> None:
        self._settings = settings.s3
        self._client = s3_client(settings.s3)
        self._bucket = settings.s3.bucket
        self._name = f"S3 bucket {self._bucket} at {settings.s3.endpoint or 'Amazon S3'}"

    def write(self, path: str, clip: bytes) -> None:
        asked = self._server_encryption()
        with explained(self._name):
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._key(path),
                Body=clip,
                ContentType="audio/ogg",
                ChecksumSHA256=b64encode(sha256(clip).digest()).decode(),
                **asked,
            )
        if asked and answer.get("ServerSideEncryption") != asked["ServerSideEncryption"]:
            self.discard(path)  # no unencrypted clip may stay
            raise ConfigError(
                f"{self._name} did not encrypt a clip, although evidence.s3.server_encryption asks for it",
                "Enable encryption on the server, or unset it and use evidence.encryption.",
            )

    def get(self, path: str) -> bytes | None:
        with explained(self._name):
            try:
                return self._read(path)
            except ClientError as error:
                if code_of(error) in ABSENT:
                    return None
                raise

    def remove(self, path: str) -> None:
        with explained(self._name):
            for version in self._versions_of(path):
                self._client.delete_object(Bucket=self._bucket, **_names(version))

    def discard(self, path: str) -> bool:
        try:
            self.remove(path)
        except Forbidden:
            return False
        return True

    @property
    def locks(self) -> bool:
        return self._settings.object_lock

    def hold(self, path: str, held: bool) -> None:
        if not self.locks:
            return
        with explained(self._name):
            self._lock({"Key": self._key(path)}, held)
            if not held:  # older versions may have been locked when they were the latest
                for version in self._versions_of(path):
                    if "Size" in version and not version["IsLatest"]:
                        self._lock(_names(version), held)

    def paths(self, before: float) -> Iterator[str]:
        last, young = "", False
        with explained(self._name):
            for version in self._versions(self._settings.prefix):
                path = version["Key"].removeprefix(self._settings.prefix)
                # Versions come by key. A path is yielded at the next key, if all its versions are old.
                if path != last and last and not young:
                    yield last
                young = (young and path == last) or version["LastModified"].timestamp() >= before
                last = path
        if last and not young:
            yield last

    def sweep(self, before: float) -> None:
        """Nothing is left to delete: S3 keeps no part of an upload in one request."""

    def check(self) -> str:
        with explained(self._name):
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as error:
                return self._reason(error)
        return self._name

    def _reason(self, refused: ClientError) -> str:
        """Ask again in a way that gets a reason: the answer to `head_bucket` has none.

        An account that may only write must not list. It is no fault.
        """
        if code_of(refused) == "404":
            raise ConfigError(f"{self._name} does not exist", "Create the bucket, or correct evidence.s3.bucket.")
        try:
            self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._settings.prefix, MaxKeys=1)
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
        return f"{self._name}, which this account may not list"

    def _lock(self, version: dict[str, str], held: bool) -> None:
        try:
            status = {"Status": "ON" if held else "OFF"}
            self._client.put_object_legal_hold(Bucket=self._bucket, LegalHold=status, **version)
        except ClientError as error:
            if code_of(error) == "InvalidRequest":
                remedy = "Make a bucket with object lock, or unset evidence.s3.object_lock."
                raise ConfigError(f"{self._name} has no object lock", remedy) from error
            if code_of(error) not in ABSENT:
                raise

    def _read(self, path: str) -> bytes:
        """Read an object, and read it again if the connection breaks meanwhile."""
        try:
            return self._read_once(path)
        # botocore tries a request again, but not a download that breaks in the middle.
        except BROKEN:
            return self._read_once(path)

    def _read_once(self, path: str) -> bytes:
        found = self._client.get_object(Bucket=self._bucket, Key=self._key(path))
        with found["Body"] as body:
            if found["ContentLength"] > MAX_BYTES:
                raise ClipDamaged(path)
            return bytes(body.read())  # without a size: only then botocore notices that the end is missing

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield all versions and delete markers below `prefix`, by key. Only versions have a `Size`."""
        pages = self._client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            # A page has two lists. Each is sorted, but the keys of both lie between each other.
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            yield from sorted(found, key=lambda version: version["Key"])

    def _versions_of(self, path: str) -> list[dict[str, Any]]:
        key = self._key(path)
        # A prefix matches longer keys, too.
        return [version for version in self._versions(key) if version["Key"] == key]

    def _key(self, path: str) -> str:
        return self._settings.prefix + path

    def _server_encryption(self) -> dict[str, str]:
        chosen = self._settings
        if chosen.server_encryption is None:
            return {}
        return {"ServerSideEncryption": chosen.server_encryption}


def _names(version: dict[str, Any]) -> dict[str, str]:
    return {"Key": version["Key"], "VersionId": version["VersionId"]}
