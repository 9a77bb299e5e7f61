"""Keys are made, kept private, and checked."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pipeline.base import signing
from pipeline.base.errors import ConfigError, InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "folder" / "key"
    signing.make_key(made)
    return made


def test_a_key_signs_and_only_its_owner_reads_it(path: Path) -> None:
    pem = signing.public_file(path).read_bytes()
    signature = signing.load_key(path).sign(b"content")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.signed(pem, signature, b"content")
    assert not signing.signed(pem, signature, b"other")
    assert not signing.signed(pem + b"\n", signature, b"content"), "another form of the same key"
    assert not signing.signed(b"", signature, b"content")


def test_a_key_is_not_overwritten(path: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        signing.make_key(path)


def test_an_open_key_is_refused(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        signing.load_key(path)


def test_a_missing_or_wrong_key_has_a_remedy(path: Path) -> None:
    with pytest.raises(ConfigError, match="voxwarden assess key"):
        signing.load_key(path.with_name("none"))
    path.write_bytes(b"no key")
    with pytest.raises(ConfigError, match="not a private key"):
        signing.load_key(path)
    curve = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        signing.load_key(path)


def test_only_a_public_key_is_read_as_one(tmp_path: Path) -> None:
    signing.make_key(tmp_path / "a.key")
    assert signing.read_public(tmp_path / "a.key.pub").startswith(b"-----BEGIN PUBLIC KEY")
    with pytest.raises(InputError, match="is not a public key"):
        signing.read_public(tmp_path / "a.key")
    with pytest.raises(InputError, match="cannot be read"):
        signing.read_public(tmp_path / "gone.pub")
