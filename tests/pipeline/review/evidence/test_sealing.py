"""The encrypted form: only the clip of the path comes back, and changed bytes never become sound. The keys for it."""

import base64
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base.errors import ConfigError
from pipeline.review.evidence.sealing import (
    MAGIC,
    ClipDamaged,
    KeyRing,
    LocalKey,
    open_ring,
    seal,
    unseal,
    wrapping_key_of,
)
from pipeline.settings import EvidenceSettings, load
from pipeline.settings.review import EvidenceEncryption

PATH = "2026/01/01/36334933-469b-56e0-92f3-85246dd522e9.ogg"
CLIP = b"OggS" + bytes(range(256)) * 8
OLD, NEW = LocalKey(os.urandom(32)), LocalKey(os.urandom(32))
RING = KeyRing("new", {"new": NEW, "old": OLD})
SEALED = seal(CLIP, PATH, RING)


def test_a_clip_comes_back_and_its_sound_is_not_in_the_file() -> None:
    assert unseal(SEALED, PATH, RING) == CLIP
    assert CLIP[:16] not in SEALED
    assert wrapping_key_of(SEALED, PATH) == "new"


def test_two_files_of_one_clip_share_no_key() -> None:
    again = seal(CLIP, PATH, RING)
    parts = [{sealed[at : at + 8] for at in range(15, len(sealed))} for sealed in (again, SEALED)]
    assert again[:15] == SEALED[:15], "MAGIC, the id of the key and a length"
    assert not parts[0] & parts[1]


def test_without_a_key_a_clip_stays_as_it_is() -> None:
    assert seal(CLIP, PATH, KeyRing()) == CLIP
    assert unseal(CLIP, PATH, RING) == CLIP
    assert wrapping_key_of(CLIP, PATH) == ""


def test_an_older_key_still_opens_its_clips() -> None:
    sealed = seal(CLIP, PATH, KeyRing("old", {"old": OLD}))
    assert unseal(sealed, PATH, RING) == CLIP


def test_a_missing_key_is_named() -> None:
    for ring in (KeyRing(), KeyRing("old", {"old": OLD})):
        with pytest.raises(ConfigError, match=r"encrypted with the key new, .* evidence\.encryption"):
            unseal(SEALED, PATH, ring)


def test_another_key_of_the_same_id_opens_nothing() -> None:
    with pytest.raises(ClipDamaged, match="damaged"):
        unseal(SEALED, PATH, KeyRing("new", {"new": OLD}))


def test_the_clip_of_another_case_is_refused() -> None:
    with pytest.raises(ClipDamaged, match=r"2026/01/02/other\.ogg"):
        unseal(SEALED, "2026/01/02/other.ogg", RING)


def test_the_data_key_of_another_clip_is_refused() -> None:
    """Somebody who may write into the storage joins the data key of one clip and the sound of another."""
    other = seal(CLIP[::-1], PATH, RING)
    end = len(SEALED) - len(CLIP) - 16 - 12
    with pytest.raises(ClipDamaged):
        unseal(other[:end] + SEALED[end:], PATH, RING)


@given(place=st.integers(0, len(SEALED) - 1), change=st.integers(1, 255))
def test_each_changed_byte_is_noticed(place: int, change: int) -> None:
    changed = bytearray(SEALED)
    changed[place] ^= change
    if place < len(MAGIC):
        assert unseal(bytes(changed), PATH, RING) == changed, "no sound: a plain clip must begin with OggS"
    else:
        with pytest.raises((ClipDamaged, ConfigError)):
            unseal(bytes(changed), PATH, RING)


@given(end=st.integers(len(MAGIC), len(SEALED) - 1))
def test_each_cut_is_noticed(end: int) -> None:
    with pytest.raises((ClipDamaged, ConfigError)):
        unseal(SEALED[:end], PATH, RING)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_a_crash(tail: bytes) -> None:
    with pytest.raises((ClipDamaged, ConfigError)):
        unseal(MAGIC + tail, PATH, RING)


@given(st.binary(max_size=200))
def test_any_wrapped_key_is_read_without_a_crash(wrapped: bytes) -> None:
    with pytest.raises(ClipDamaged):
        NEW.unwrap(wrapped, PATH)


@given(
    clip=st.binary(max_size=2_000).filter(lambda clip: not clip.startswith(MAGIC)),
    key=st.binary(min_size=32, max_size=32),
)
def test_every_clip_comes_back(clip: bytes, key: bytes) -> None:
    ring = KeyRing("k", {"k": LocalKey(key)})
    assert unseal(seal(clip, PATH, ring), PATH, ring) == clip


def test_the_form_is_the_documented_one() -> None:
    """A clip of an earlier version must stay readable, so these bytes must not change."""
    key = LocalKey(bytes(range(32)))
    sealed = base64.b64decode(KEPT)
    assert unseal(sealed, "2026/01/01/a.ogg", KeyRing("k1", {"k1": key})) == b"OggS and some sound"


KEPT = (
    "Vm94U2VhbAEAAmsxADycHUCT46rIySQIM7vd5TzOxlDl9reHd7+Y3IJ3FJvYMbVT5VRGOf0e5iqtC0Njje9eGVDif9Tl5Tau+yJS"
    "bfTEunK1sbnVu6a45Yo9iNOQ9zM3qHCXIHxCrkUVtkkLKob834zpPWfIEny8gw=="
)


KEY = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()


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
        ("", "valid list"),
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
