"""Wrapping keys in AWS KMS, or in a service with the same interface. They never leave it."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from pipeline.review.evidence.aws import client, code_of, explained
from pipeline.review.evidence.sealing import ClipDamaged, WrappingKey
from pipeline.settings import EvidenceSettings

OTHER_KEY_CODES = frozenset({"InvalidCiphertextException", "IncorrectKeyException", "ValidationException"})
"""Codes of the answer to a wrapped key that is not a key of this clip."""


class KmsKey(WrappingKey):
    """One key in the KMS. The clip's path is the encryption context, so the log of the KMS names the clip."""

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
