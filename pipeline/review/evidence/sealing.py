"""The encrypted form of a clip, and the keys for it: from the settings, from a file, or in AWS KMS.

Each clip has a data key of its own, which encrypts it with AES-256-GCM. The data key is stored with the clip, wrapped
by a longer-lived key. The parts of the encrypted form are:

    MAGIC                   8 bytes
    id of the wrapping key  its length (2 bytes, big-endian), then UTF-8 text
    wrapped data key        its length (2 bytes, big-endian), then bytes
    nonce                   12 bytes
    encrypted clip          with a tag of 16 bytes

The tag covers all parts and the clip's path. So nobody can swap clips, or change one, without the key.
"""

import base64
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from pydantic import TypeAdapter, ValidationError

from pipeline.base import yaml_reading
from pipeline.base.errors import ConfigError, InputError
from pipeline.base.libraries import install_extra
from pipeline.settings import EvidenceSettings
from pipeline.settings.review import EvidenceKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"VoxSeal\x01"
"""No plain clip begins with it: Ogg files begin with `OggS`."""
NONCE = 12
TAG = 16
DATA_KEY = 32
LENGTH = struct.Struct(">H")


class ClipDamaged(InputError):  # noqa: N818
    """A clip is not the one that was stored at its path."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The clip {path} is damaged, or somebody changed it",
            "Restore it from a backup. `voxwarden evidence verify` lists all such clips.",
        )


class WrappingKey(Protocol):
    """A key that encrypts data keys, for example in a KMS. Methods raise DependencyError if it cannot be used."""

    def make(self, path: str) -> tuple[bytes, bytes]:
        """Return a new data key of 32 bytes for the clip at `path`, plain and wrapped."""

    def unwrap(self, wrapped: bytes, path: str) -> bytes:
        """Return the plain data key of the clip at `path`. Raises ClipDamaged if it is not that clip's key."""


class KeyRing(Struct, frozen=True):
    """The wrapping keys by id. `current` is the id of the key for new clips; empty: they are not encrypted."""

    current: str = ""
    keys: Mapping[str, WrappingKey] = {}


class Sealed(Struct, frozen=True):
    """The parts of an encrypted clip. `head` is everything before the encrypted bytes `body`."""

    key: str
    wrapped: bytes
    nonce: bytes
    head: bytes
    body: bytes


def seal(clip: bytes, path: str, ring: KeyRing) -> bytes:
    """Encrypt a clip for its path with the current key. The clip stays as it is if there is no current key."""
    if not ring.current:
        return clip
    # A data key encrypts one clip only, so no nonce can repeat.
    data_key, wrapped = ring.keys[ring.current].make(path)
    nonce = os.urandom(NONCE)
    head = MAGIC + _measured(ring.current.encode()) + _measured(wrapped) + nonce
    return head + _cipher(data_key).encrypt(nonce, clip, head + path.encode())


def unseal(data: bytes, path: str, ring: KeyRing) -> bytes:
    """Return the plain clip. A clip that was stored without encryption is returned as it is.

    Raises ClipDamaged for changed bytes, ConfigError if the ring lacks the key, DependencyError if it does not answer.
    """
    if not data.startswith(MAGIC):
        return data
    found = _parts(data, path)
    if found.key not in ring.keys:
        raise ConfigError(
            f"The clip {path} is encrypted with the key {found.key}, which is not in the settings",
            "Add the key to evidence.encryption, after the current one.",
        )
    from cryptography.exceptions import InvalidTag

    data_key = ring.keys[found.key].unwrap(found.wrapped, path)
    if len(data_key) != DATA_KEY:
        raise ClipDamaged(path)
    try:
        return _cipher(data_key).decrypt(found.nonce, found.body, found.head + path.encode())
    except InvalidTag as error:
        raise ClipDamaged(path) from error


def wrapping_key_of(data: bytes, path: str) -> str:
    """Return the id of the key that wraps the clip's data key; empty if the clip is not encrypted."""
    return _parts(data, path).key if data.startswith(MAGIC) else ""


def _parts(data: bytes, path: str) -> Sealed:
    key, after_key = _part(data, len(MAGIC), path)
    wrapped, after_wrapped = _part(data, after_key, path)
    end = after_wrapped + NONCE
    if len(data) < end + TAG:
        raise ClipDamaged(path)
    try:
        return Sealed(key.decode(), wrapped, data[after_wrapped:end], data[:end], data[end:])
    except UnicodeDecodeError as error:
        raise ClipDamaged(path) from error


def _part(data: bytes, at: int, path: str) -> tuple[bytes, int]:
    """Return the part with a length in front that begins at `at`, and the place after it."""
    begin = at + LENGTH.size
    if len(data) < begin:
        raise ClipDamaged(path)
    end = begin + LENGTH.unpack_from(data, at)[0]
    return data[begin:end], end


def _measured(part: bytes) -> bytes:
    return LENGTH.pack(len(part)) + part


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


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
        raise ConfigError(f"evidence.encryption needs {error.name}", f"Install it: {install_extra('s3')}.") from error
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
        # Without the input, and without the cause (`from None`): both would print the key.
        mistake = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(
            f"{file}: {mistake['msg'].removeprefix('Value error, ').replace('tuple', 'list')}", remedy
        ) from None
    if not keys or len({key.id for key in keys}) < len(keys):
        raise ConfigError(f"{file} has no key, or two keys with the same id", remedy)
    return keys
