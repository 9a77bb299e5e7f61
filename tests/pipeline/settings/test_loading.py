"""Flags override the environment, the file and the defaults. Errors name the mistake and never show a secret."""

from typing import Any

import pytest
import yaml

from pipeline.base.errors import ConfigError
from pipeline.base.user_files import config_file, configs_folder
from pipeline.settings import Settings, load

HIDDEN = "hunter2hunter2hunter2"


def test_the_shipped_file_has_the_default_values() -> None:
    assert config_file() == configs_folder() / "voxwarden.yaml"
    shipped = load()
    assert shipped.asr.model == "base"
    assert shipped.gateway.tokens == ()
    assert shipped.database_url == "sqlite:///voxwarden-data/voxwarden.db"


def test_each_source_overrides_the_next(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write("asr: {model: file, device: file, language: yue}\n")
    monkeypatch.setenv("VOXWARDEN_ASR__MODEL", "environment")
    monkeypatch.setenv("VOXWARDEN_ASR__DEVICE", "environment")
    asr = load({"asr": {"model": "flag"}}).asr
    assert (asr.model, asr.device, asr.language, asr.chinese) == ("flag", "environment", "yue", "simplified")


def test_lists_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_GATEWAY__TOKENS", f'["{HIDDEN}", "other-other-other"]')
    assert [token.get_secret_value() for token in load().gateway.tokens] == [HIDDEN, "other-other-other"]


def test_an_empty_file_gives_the_defaults(write: Any) -> None:
    write("# nothing yet\n")
    assert load() == Settings()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("asr: {modl: tiny}", "Setting asr.modl: there is no such setting (from "),
        ("asrr: {}", "Setting asrr: there is no such setting"),
        ("asr: 3", "Setting asr: "),
        ("kafka: {bootstrap: 'a:1,b:x'}", "Setting kafka.bootstrap: 'b:x' is not HOST:PORT"),
        ("gateway: {port: 70000}", "Setting gateway.port: "),
        ("gateway: {max_connections: 0}", "Setting gateway.max_connections: "),
        ("audio:\n  max_seconds: [unclosed\n", "voxwarden.yaml, line 3, is not YAML"),
        ("- a list", "voxwarden.yaml"),
        ("[]", "voxwarden.yaml is not a mapping of sections"),
        ("false", "voxwarden.yaml is not a mapping of sections"),
        (b"\xc3\x28", "voxwarden.yaml"),
    ],
)
def test_the_error_names_a_mistake_in_the_file(write: Any, content: str | bytes, said: str) -> None:
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
        ("VOXWARDEN_CONFIG", "/nowhere.yaml", "/nowhere.yaml cannot be read: No such file"),
    ],
)
def test_the_error_names_a_mistake_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("audio.max_seconds", 0.2),
        ("audio.hangover_seconds", float("inf")),
        ("audio.hangover_seconds", 60),
        ("audio.idle_seconds", float("inf")),
        ("listen.sounds", ["scream"]),
        ("listen.sounds", ["howl", "howl"]),
        ("asr.languages", []),
        ("asr.languages", ["en", "cn"]),
        ("asr.language", "english"),
        ("store.url", "foo://bar"),
        ("store.lookback_hours", 0.001),
        ("store.lookback_bytes", 1),
        ("retention.open", {"audio_days": 0, "case_days": 0}),
        ("retention.labels", {"abuse": {"open": {"audio_days": 0, "case_days": 0.5}}}),
    ],
)
def test_a_value_that_switches_moderation_off_is_refused_with_the_files_name(
    write: Any, key: str, value: object
) -> None:
    section, name = key.split(".")
    path = write(yaml.safe_dump({section: {name: value}}))
    with pytest.raises(ConfigError) as caught:
        load()
    assert name in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_error_about_two_settings_names_where_both_were_set(monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    path = write("listen: {sounds: [dead_air]}")
    monkeypatch.setenv("VOXWARDEN_KAFKA__ROOM_SHARDS", "2")
    with pytest.raises(ConfigError) as caught:
        load()
    assert f"(from VOXWARDEN_KAFKA__ROOM_SHARDS, {path})" in str(caught.value)


def test_a_repeated_key_is_refused(write: Any) -> None:
    write("judge: {policy: strict}\nasr: {model: tiny}\njudge: {policy: default}\n")
    with pytest.raises(ConfigError, match=r"line 3, gives the key judge twice"):
        load()


@pytest.mark.parametrize(
    ("set_by", "said"), [("flag", r"\(from --set\)"), ("environment", r"\(from VOXWARDEN_ASR__LANGUAGE\)")]
)
def test_the_error_names_the_flag_or_variable(monkeypatch: pytest.MonkeyPatch, set_by: str, said: str) -> None:
    if set_by == "environment":
        monkeypatch.setenv("VOXWARDEN_ASR__LANGUAGE", "cn")
    with pytest.raises(ConfigError, match=r"'cn' is no language code of Whisper \(did you mean zh\?\) " + said):
        load({"asr": {"language": "cn"}} if set_by == "flag" else None)


def test_the_error_names_a_mistake_in_a_flag() -> None:
    with pytest.raises(ConfigError, match=r"Setting audio\.max_seconds"):
        load({"audio": {"max_seconds": 2}})


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_GATEWAY__TOKENS", f'["{HIDDEN}"]')
    monkeypatch.setenv("VOXWARDEN_STORE__URL", f"postgresql://voxwarden:{HIDDEN}@db/voxwarden")
    settings = load()
    assert settings.database_url == f"postgresql://voxwarden:{HIDDEN}@db/voxwarden"
    shown = (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump()))
    assert all(HIDDEN not in text for text in shown)


@pytest.mark.parametrize("value", [HIDDEN, f'"{HIDDEN}"', f'[{{"token": "{HIDDEN}"}}]'])
def test_an_invalid_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VOXWARDEN_GATEWAY__TOKENS", value)
    with pytest.raises(ConfigError) as caught:
        load()
    assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize("section", ["asr", "gateway"])
def test_settings_cannot_be_changed_after_loading(section: str) -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, section, getattr(Settings(), section))
