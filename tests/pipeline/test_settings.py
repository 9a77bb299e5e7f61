"""Flags before the environment before the file before the defaults; a mistake is named, a secret never shown."""

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.settings import Settings, config_file, configs_folder, load

HIDDEN = "hunter2"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.upper().startswith("VOXWARDEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "voxwarden.yaml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        monkeypatch.setenv("VOXWARDEN_CONFIG", str(path))
        return path

    return written


def test_the_shipped_file_is_read_and_says_nothing_else_than_the_defaults() -> None:
    assert config_file() == configs_folder() / "voxwarden.yaml"
    shipped = load()
    assert shipped.asr.model == "base"
    assert shipped.gateway.tokens == ()
    assert shipped.database_url == "sqlite:///voxwarden-data/voxwarden.db"


def test_each_source_goes_before_the_next(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write("asr: {model: file, device: file, language: file}\n")
    monkeypatch.setenv("VOXWARDEN_ASR__MODEL", "environment")
    monkeypatch.setenv("VOXWARDEN_ASR__DEVICE", "environment")
    asr = load({"asr": {"model": "flag"}}).asr
    assert (asr.model, asr.device, asr.language, asr.batch) == ("flag", "environment", "file", 8)


def test_lists_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_GATEWAY__TOKENS", f'["{HIDDEN}", "other"]')
    assert [token.get_secret_value() for token in load().gateway.tokens] == [HIDDEN, "other"]


def test_an_empty_file_means_the_defaults(write: Any) -> None:
    write("# nothing yet\n")
    assert load() == Settings()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("asr: {modl: tiny}", "Setting asr.modl: Extra inputs"),
        ("asrr: {}", "Setting asrr: Extra inputs"),
        ("asr: 3", "Setting asr: "),
        ("kafka: {bootstrap: 'a:1,b:x'}", "Setting kafka.bootstrap: Value error, 'b:x' is no HOST:PORT"),
        ("gateway: {port: 70000}", "Setting gateway.port: "),
        ("gateway: {max_frame_bytes: 0}", "Setting gateway.max_frame_bytes: "),
        ("audio:\n  vad_threshold: [unclosed\n", "voxwarden.yaml, line 3, is not YAML"),
        ("- a list", "voxwarden.yaml"),
        (b"\xff\xfe", "voxwarden.yaml"),
    ],
)
def test_a_mistake_in_the_file_is_named(write: Any, content: str | bytes, said: str) -> None:
    write(content)
    with pytest.raises(ConfigError) as caught:
        load()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VOXWARDEN_ASR__MODL", "x", "Setting asr.modl: "),
        ("VOXWARDEN_ASRR__MODEL", "x", "VOXWARDEN_ASRR__MODEL: there is no section asrr"),
        ("VOXWARDEN_ASR__LANGUAGES", "en", "Lists are JSON"),
        ("VOXWARDEN_GATEWAY__PORT", "high", "Setting gateway.port: "),
        ("VOXWARDEN_CONFIG", "/nowhere.yaml", "No configuration file at /nowhere.yaml"),
    ],
)
def test_a_mistake_in_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load()
    assert said in str(caught.value)


def test_what_kubernetes_sets_for_a_service_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("VOXWARDEN_PORT", "tcp://10.0.0.1:8765")
    assert load() == Settings()


def test_a_mistake_in_a_flag_is_named() -> None:
    with pytest.raises(ConfigError, match=r"Setting audio\.vad_threshold"):
        load({"audio": {"vad_threshold": 2}})


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_GATEWAY__TOKENS", f'["{HIDDEN}"]')
    monkeypatch.setenv("VOXWARDEN_STORE__URL", f"postgresql://voxwarden:{HIDDEN}@db/voxwarden")
    settings = load()
    assert settings.database_url == f"postgresql://voxwarden:{HIDDEN}@db/voxwarden"
    shown = (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump()))
    assert all(HIDDEN not in text for text in shown)


@pytest.mark.parametrize("value", [HIDDEN, f'"{HIDDEN}"', f'[{{"token": "{HIDDEN}"}}]'])
def test_a_mistaken_secret_is_not_shown_either(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VOXWARDEN_GATEWAY__TOKENS", value)
    with pytest.raises(ConfigError) as caught:
        load()
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize("section", ["asr", "gateway"])
def test_settings_do_not_change_once_read(section: str) -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, section, getattr(Settings(), section))
