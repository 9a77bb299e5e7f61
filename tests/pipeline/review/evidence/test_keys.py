"""The keys of the settings: from the environment, from a file, and which of them encrypts."""

import base64
import subprocess
from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.review.evidence.sealing import open_ring, seal, unseal, wrapping_key_of
from pipeline.settings import EvidenceSettings, load
from pipeline.settings.evidence import EvidenceEncryption

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()
PATH, CLIP = "2026/01/01/a.ogg", b"OggS sound"


def settings(**fields: object) -> EvidenceSettings:
    return EvidenceSettings(encryption=EvidenceEncryption.model_validate(fields))


def test_no_key_means_no_encryption() -> None:
    assert open_ring(EvidenceSettings()).current == ""


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    old = open_ring(settings(keys=[{"id": "2026", "key": KEY}]))
    new = open_ring(settings(keys=[{"id": "2027", "key": OTHER}, {"id": "2026", "key": KEY}]))
    assert wrapping_key_of(seal(CLIP, PATH, new), PATH) == "2027"
    assert unseal(seal(CLIP, PATH, old), PATH, new) == CLIP


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_EVIDENCE__ENCRYPTION__KEYS", f'[{{"id": "2026", "key": "{KEY}"}}]')
    loaded = load()
    assert open_ring(loaded.evidence).current == "2026"
    assert KEY not in repr(loaded)


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(f"- {{id: '2027', key: {OTHER}}}\n- {{id: '2026', key: {KEY}}}\n", "utf-8")
    assert list(open_ring(settings(keys_file=file)).keys) == ["2027", "2026"]


def test_the_documented_command_makes_a_key() -> None:
    made = subprocess.run(["openssl", "rand", "-base64", "32"], capture_output=True, text=True, check=True)
    assert open_ring(settings(keys=[{"id": "a", "key": made.stdout.strip()}])).current == "a"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "valid tuple"),
        ("[]", "no key"),
        ("- {id: a, key: abc}", "32 random bytes"),
        (f"- {{id: a, key: {KEY}}}\n- {{id: a, key: {OTHER}}}", "the same id"),
        (f"- {{id: 'a b', key: {KEY}}}", "match pattern"),
    ],
)
def test_a_wrong_file_is_named_without_its_keys(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "keys.yaml"
    file.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=rf"keys\.yaml.*{reason}.*openssl") as caught:
        open_ring(settings(keys_file=file))
    assert "abc" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read.*keys_file"):
        open_ring(settings(keys_file=tmp_path / "none.yaml"))
