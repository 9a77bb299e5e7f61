"""Keys that stay in a KMS. moto answers as AWS KMS does, and really encrypts."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.review.evidence.aws import KmsKey, client
from pipeline.review.evidence.sealing import ClipDamaged, KeyRing, open_ring, seal, unseal, wrapping_key_of
from pipeline.settings import EvidenceSettings
from pipeline.settings.review import S3, EvidenceEncryption
from tests.ports import free_port

PATH, CLIP = "2026/01/01/a.ogg", b"OggS sound"


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of the KMS, with the credentials of a test."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield client("kms", S3(), None)


def ring_of(*keys: str, **local: str) -> KeyRing:
    fields = {"kms_keys": keys, "keys": [{"id": name, "key": key} for name, key in local.items()]}
    return open_ring(EvidenceSettings(encryption=EvidenceEncryption.model_validate(fields)))


def test_a_clip_comes_back_by_the_kms(kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]["Arn"]
    ring = ring_of(key)
    sealed = seal(CLIP, PATH, ring)
    assert wrapping_key_of(sealed, PATH) == key
    assert unseal(sealed, PATH, ring) == CLIP


def test_the_kms_refuses_the_key_of_another_clip(kms: Any) -> None:
    ring = ring_of(kms.create_key()["KeyMetadata"]["Arn"])
    with pytest.raises(ClipDamaged):
        unseal(seal(CLIP, PATH, ring), "2026/01/01/b.ogg", ring)


def test_clips_of_a_key_in_the_settings_stay_readable(kms: Any) -> None:
    local = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    both = ring_of(kms.create_key()["KeyMetadata"]["Arn"], old=local)
    assert both.current.startswith("arn:")
    assert unseal(seal(CLIP, PATH, ring_of(old=local)), PATH, both) == CLIP


def test_a_key_that_does_not_exist_is_a_wrong_setting(kms: Any) -> None:
    del kms
    with pytest.raises(ConfigError, match=r"evidence\.encryption\.kms_keys"):
        seal(CLIP, PATH, ring_of("arn:aws:kms:us-east-1:123456789012:key/none"))


class Refusing:
    """A KMS that answers every request with one error. moto knows neither accounts nor disabled keys."""

    def __init__(self, code: str) -> None:
        self._code = code

    def generate_data_key(self, **_: Any) -> None:
        raise ClientError({"Error": {"Code": self._code}}, "GenerateDataKey")

    decrypt = generate_data_key


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "access denied"),
        ("DisabledException", "Enable the key in the KMS"),
        ("KMSInvalidStateException", "Enable the key in the KMS"),
        ("ThrottlingException", "Check the server"),
    ],
)
def test_a_refusal_is_an_outage_and_not_a_changed_clip(code: str, message: str) -> None:
    key = KmsKey(Refusing(code), "arn")
    for use in (lambda: key.make(PATH), lambda: key.unwrap(b"wrapped", PATH)):
        with pytest.raises(DependencyError, match=message):
            use()


def test_a_kms_that_is_away_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    chosen = EvidenceEncryption(kms_keys=("arn",), kms_endpoint=f"http://127.0.0.1:{free_port()}")
    ring = open_ring(EvidenceSettings(encryption=chosen))
    with pytest.raises(DependencyError, match="KMS key arn does not answer"):
        seal(CLIP, PATH, ring)
