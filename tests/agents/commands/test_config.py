"""`voxwarden config`: every setting is shown with its source, no secret is shown, and a mistake is found."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from agents.commands.config import SettingRow, rows, tree_of
from pipeline.base.errors import ConfigError
from pipeline.base.user_files import PREFIX
from pipeline.settings import Settings

SECRETS = {"VOXWARDEN_GATEWAY__TOKENS": '["s3cret-token-of-tests"]', "VOXWARDEN_KAFKA__SECURITY__PASSWORD": "s3cret"}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(PREFIX + "CONFIG", "")  # --config sets this variable, and the end of the test restores it
    monkeypatch.chdir(tmp_path)


def config(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"} | environment)


def test_show_prints_the_source_of_each_value(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("asr: {batch: 3}\n", "utf-8")
    options = ("--config", str(file), "--set", "judge.policy=strict", "config", "show", "--changed")
    shown = config(*options, VOXWARDEN_ASR__MODEL="tiny.en")
    assert shown.exit_code == 0, shown.stderr
    found = {line.split()[0]: line.split()[1:3] for line in shown.stdout.splitlines()[1:]}
    assert found["asr.batch"] == ["3", "mine.yaml"]
    assert found["judge.policy"] == ["strict", "--set"]
    assert found["asr.model"] == ["tiny.en", "VOXWARDEN_ASR__MODEL"]
    assert "asr.device" not in found


def test_show_prints_values_as_a_settings_file_has_them() -> None:
    shares = '[{"name": "kids", "share": 0.5}]'
    shown = config("--set", f"overload.room_types={shares}", "config", "show").stdout
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.splitlines()[1:]}
    assert found["overload.room_types"].startswith(f"{shares} --set")
    assert found["asr.download"].startswith("true default")
    assert found["asr.language"].startswith("unset default")


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_show_hides_passwords_in_addresses(form: str) -> None:
    keys = ("webhooks.url=https://me:s3cret@app.example/in", "audit.anchor_url=https://log.example/?to=a&token=s3cret")
    shown = config(*(word for key in keys for word in ("--set", key)), "config", "show", "--changed", "--format", form)
    assert "s3cret" not in shown.stdout
    assert "https://me:***@app.example/in" in shown.stdout
    assert "https://log.example/?to=a&token=***" in shown.stdout


def test_check_names_a_missing_file_of_yamnet(tmp_path: Path) -> None:
    checked = config("--set", f"listen.yamnet={tmp_path / 'none.tflite'}", "config", "check")
    assert isinstance(checked.exception, ConfigError)
    assert "listen.yamnet: there is no file" in str(checked.exception)


def test_a_list_is_called_a_list() -> None:
    error = config("--set", "asr.languages=en", "config", "show").exception
    assert "Input should be a valid list" in str(error)


def test_show_hides_secrets() -> None:
    shown = config("config", "show", "--changed", **SECRETS)
    assert shown.exit_code == 0, shown.stderr
    assert "gateway.tokens" in shown.stdout
    assert "s3cret" not in shown.stdout + shown.stderr


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_show_as_json_and_yaml_is_complete_and_hides_secrets(form: str, read: Callable[[str], Any]) -> None:
    long = "/" + "folder/" * 60
    shown = config("--set", f"data_dir={long}", "config", "show", "--format", form, **SECRETS, COLUMNS="40")
    assert shown.exit_code == 0, shown.stderr
    assert "s3cret" not in shown.stdout
    found = read(shown.stdout)
    assert found["data_dir"] == long.rstrip("/")
    assert found["gateway"]["tokens"] == ["**********"]
    assert found["kafka"]["security"]["password"] == "*" * 10
    assert found["audio"]["max_seconds"] == 15
    assert found["asr"]["language"] is None


def test_the_printed_settings_are_a_settings_file(tmp_path: Path) -> None:
    printed = config("--set", "asr.model=tiny", "config", "show", "--format", "json").stdout
    (tmp_path / "printed.yaml").write_text(printed, "utf-8")
    again = config("--config", "printed.yaml", "config", "show", "--format", "json")
    assert again.exit_code == 0, again.exception
    assert json.loads(again.stdout) == json.loads(printed)


def test_show_is_not_cut_in_a_pipe() -> None:
    long = "/" + "folder/" * 30
    assert long.rstrip("/") in config("--set", f"data_dir={long}", "config", "show", "--changed", COLUMNS="40").stdout


def test_brackets_in_a_value_are_no_markup() -> None:
    assert "[red]x" in config("--set", "kafka.prefix='[red]x'", "config", "show", "--changed").stdout


def test_every_setting_has_a_row_with_a_meaning() -> None:
    found = {key: meaning for key, _, meaning in rows(Settings())}
    assert [key for key, meaning in found.items() if not meaning] == []
    assert set(found) == set(leaves(Settings()))
    assert tree_of(SettingRow(*row[:2], "default", row[2]) for row in rows(Settings())).keys() == set(
        Settings.model_fields
    )


def leaves(section: BaseModel) -> list[str]:
    found = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        found += [f"{name}.{each}" for each in leaves(value)] if isinstance(value, BaseModel) else [name]
    return found


def test_check_prints_warnings_and_ok(caplog: pytest.LogCaptureFixture) -> None:
    checked = config("--set", "asr.languages=[en, fr]", "config", "check", VOXWARDEN_ASR_MODEL="tiny")
    assert (checked.exit_code, checked.stdout) == (0, "")
    doubt, right = checked.stderr.splitlines()
    assert "fr is transcribed, but barely judged" in doubt
    assert right.startswith("ok: ")
    assert "VOXWARDEN_ASR_MODEL is not a setting and is ignored. Did you mean VOXWARDEN_ASR__MODEL?" in caplog.text


def test_check_names_a_policy_that_does_not_exist() -> None:
    wrong = config("--set", "judge.policy=nowhere", "config", "check").exception
    assert isinstance(wrong, ConfigError)
    assert "nowhere" in str(wrong)
