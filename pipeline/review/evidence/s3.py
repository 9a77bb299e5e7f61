"""Evidence clips in a bucket of an S3 server, which all hosts share."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError

from pipeline.base.errors import ConfigError
from pipeline.review.evidence.aws import BROKEN, DENIED, Forbidden, code_of, explained, s3_client
from pipeline.review.evidence.evidence_store import EvidenceStore
from pipeline.review.evidence.sealing import ClipDamaged
from pipeline.settings import EvidenceSettings

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
            self.discard(path)
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
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            yield from sorted(found, key=lambda version: version["Key"])

    def _versions_of(self, path: str) -> list[dict[str, Any]]:
        key = self._key(path)
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
