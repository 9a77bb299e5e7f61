"""A misspelt variable is reported without its value; variables of Kubernetes are ignored."""

import pytest

from pipeline.base.errors import ConfigError
from pipeline.settings import Settings, load

HIDDEN = "hunter2hunter2hunter2"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("VOXWARDEN_ASR_MODEL", "VOXWARDEN_ASR__MODEL"),
        ("VOXWARDEN_GATEWAY_PORT", "VOXWARDEN_GATEWAY__PORT"),
        ("VOXWARDEN_DATA__DIR", "VOXWARDEN_DATA_DIR"),
        ("VOXWARDEN_DATADIR", "VOXWARDEN_DATA_DIR"),
        ("VOXWARDEN_KAFKA_SECURITY_PASSWORD", "VOXWARDEN_KAFKA__SECURITY__PASSWORD"),
    ],
)
def test_a_misspelt_variable_is_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, near: str
) -> None:
    monkeypatch.setenv(name, HIDDEN)
    try:
        load()
    except ConfigError as error:  # the section does not exist
        told = str(error)
    else:
        told = caplog.text
    assert f"Did you mean {near}?" in told
    assert HIDDEN not in told


@pytest.mark.parametrize("name", ["VOXWARDEN_ASR", "VOXWARDEN_ASR__LANGUAGES"])
def test_a_deeply_nested_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "[" * 30_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        load()


@pytest.mark.parametrize("service", ["VOXWARDEN", "VOXWARDEN_GATEWAY", "VOXWARDEN_CONSOLE"])
def test_variables_that_kubernetes_sets_for_a_service_are_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, service: str
) -> None:
    monkeypatch.setenv(f"{service}_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv(f"{service}_SERVICE_PORT", "8765")
    monkeypatch.setenv(f"{service}_SERVICE_PORT_HTTP", "8765")
    monkeypatch.setenv(f"{service}_PORT", "tcp://10.0.0.1:8765")
    monkeypatch.setenv(f"{service}_PORT_8765_TCP", "tcp://10.0.0.1:8765")
    monkeypatch.setenv(f"{service}_PORT_8765_TCP_PROTO", "tcp")
    monkeypatch.setenv(f"{service}_PORT_8765_TCP_PORT", "8765")
    monkeypatch.setenv(f"{service}_PORT_8765_TCP_ADDR", "10.0.0.1")
    assert load() == Settings()
    assert caplog.text == ""
