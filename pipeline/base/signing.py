"""Ed25519 keys that sign bundles. The private key is a PEM file that only its owner can read."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pipeline.base import private_files
from pipeline.base.canonical_json import digest
from pipeline.base.errors import ConfigError, InputError


def make_key(path: Path) -> str:
    """Write a new private key to `path`, for its owner only, and its public key to `path`.pub.

    Returns the fingerprint. Raises InputError if `path` exists.
    """
    key = Ed25519PrivateKey.generate()
    try:
        private_files.make_folder(path.parent)
        # O_EXCL: never over an existing key, because a lost key cannot sign again.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private_files.FILE), "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public_file(path).write_bytes(public_pem(key.public_key()))
    except FileExistsError as error:
        raise InputError(
            f"The key {path} exists", "Use it, or name another file with --key.", text="key_exists", path=path
        ) from error
    except OSError as error:
        raise InputError(
            f"The key {path} cannot be written: {error.strerror}",
            "Name another file.",
            text="key_unwritable",
            path=path,
            why=error.strerror,
        ) from error
    return fingerprint(public_pem(key.public_key()))


def load_key(path: Path, made_by: str = "voxwarden assess key") -> Ed25519PrivateKey:
    """Read a private key, which the command `made_by` makes. Raises ConfigError for a missing, open or wrong file."""
    try:
        if path.stat().st_mode & private_files.OTHERS:
            raise ConfigError(
                f"Other users can read the key {path}", f"Run chmod 600 {path}.", text="key_open", path=path
            )
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ConfigError(
            f"The key {path} cannot be read: {error.strerror}",
            f"Make one with `{made_by}`.",
            text="key_unreadable",
            path=path,
            why=error.strerror,
            how=made_by,
        ) from error
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a private key in PEM",
            f"Make one with `{made_by}`.",
            text="key_wrong",
            path=path,
            how=made_by,
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            f"{path} is not an Ed25519 key", f"Make one with `{made_by}`.", text="key_wrong", path=path, how=made_by
        )
    return key


def read_public(path: Path) -> bytes:
    """Return the PEM text of a public key. Raises InputError for a missing or wrong file."""
    try:
        pem = path.read_bytes()
        load_pem_public_key(pem)
    except OSError as error:
        raise InputError(
            f"The key {path} cannot be read: {error.strerror}",
            "Name a .pub file.",
            text="public_key_unreadable",
            path=path,
            why=error.strerror,
        ) from error
    except ValueError as error:
        raise InputError(
            f"{path} is not a public key in PEM", "Name a .pub file.", text="public_key_wrong", path=path
        ) from error
    return pem


def public_file(path: Path) -> Path:
    """Return the file of the public key that belongs to the private key `path`."""
    return path.with_name(path.name + ".pub")


def public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(pem: bytes) -> str:
    """Return the SHA-256 of a public key's PEM text. Publish it, so that an inspector knows the key."""
    return digest(pem)


def signed(pem: bytes, signature: bytes, content: bytes) -> bool:
    """Tell whether `signature` is the signature of `content` by the key `pem`, which must have its usual form."""
    try:
        key = load_pem_public_key(pem)
        # The fingerprint is of this text. Another text of the same key would have a fingerprint that nobody published.
        if not isinstance(key, Ed25519PublicKey) or public_pem(key) != pem:
            return False
        key.verify(signature, content)
    except (ValueError, InvalidSignature):
        return False
    return True
