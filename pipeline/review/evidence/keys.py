"""The keys that wrap the clips' data keys: from the settings, from a file, or in AWS KMS."""

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError
from pipeline.review.evidence.sealing import DATA_KEY, NONCE, ClipDamaged, KeyRing, WrappingKey
from pipeline.settings import EvidenceSettings
from pipeline.settings.evidence import EvidenceKey

INSTALL = 'Install it: pip install "voxwarden[s3]".'


class LocalKey(WrappingKey):
    """A wrapping key that this process holds: AES-256-GCM, with the clip's path as associated data."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)

    def make(self, path: str) -> tuple[bytes, bytes]:
        data_key, nonce = os.urandom(DATA_KEY), os.urandom(NONCE)
        return data_key, nonce + self._cipher.encrypt(nonce, data_key, path.encode())

    def unwrap(self, wrapped: bytes, path: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], path.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce
            raise ClipDamaged(path) from error


def open_ring(settings: EvidenceSettings) -> KeyRing:
    """Return the keys of the settings. Raises ConfigError for a wrong file, and if a library is not installed."""
    chosen = settings.encryption
    local = chosen.keys or (_in_file(chosen.keys_file) if chosen.keys_file else ())
    if not local and not chosen.kms_keys:
        return KeyRing()
    try:
        keys: Mapping[str, WrappingKey] = {
            **_in_kms(settings),
            **{one.id: LocalKey(base64.b64decode(one.key.get_secret_value())) for one in local},
        }
    except ModuleNotFoundError as error:
        raise ConfigError(f"evidence.encryption needs {error.name}", INSTALL) from error
    return KeyRing(next(iter(keys)), keys)


def _in_kms(settings: EvidenceSettings) -> Mapping[str, WrappingKey]:
    if not settings.encryption.kms_keys:
        return {}
    from pipeline.review.evidence.aws import open_kms_keys

    return open_kms_keys(settings)


def _in_file(file: Path) -> tuple[EvidenceKey, ...]:
    remedy = "Write a list of {id: NAME, key: KEY} into it, with keys from: openssl rand -base64 32"
    found = yaml_reading.read_yaml(file, "Correct evidence.encryption.keys_file.")
    try:
        keys = TypeAdapter(tuple[EvidenceKey, ...]).validate_python(found)
    except ValidationError as error:
        mistake = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(f"{file}: {mistake['msg'].removeprefix('Value error, ')}", remedy) from None
    if not keys or len({key.id for key in keys}) < len(keys):
        raise ConfigError(f"{file} has no key, or two keys with the same id", remedy)
    return keys
