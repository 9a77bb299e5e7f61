"""Global options, and the errors for a user's mistakes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.app import REMEDIES, main, overrides_of, warn_unknown
from agents.commands.command_line import app
from pipeline.base.errors import ConfigError, InputError
from pipeline.settings import JudgeSettings, Settings, load

NOBODY = 65_534


def voxwarden(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agents", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


def test_assignments_become_a_tree() -> None:
    assert overrides_of(["asr.model=small", "asr.batch=4", "data_dir=here"]) == {
        "asr": {"model": "small", "batch": "4"},
        "data_dir": "here",
    }


def test_the_setting_decides_the_type_of_a_value() -> None:
    given = [
        "asr.batch=4",
        "asr.download=false",
        "webhooks.coop.policies={fraud: p1}",
        "kafka.prefix=20240101.",
        "asr.model='12'",
    ]
    settings = load(overrides_of([*given, "judge.lexicons=[en]"]))
    assert (settings.asr.batch, settings.asr.download, settings.webhooks.coop.policies) == (4, False, {"fraud": "p1"})
    assert (settings.kafka.prefix, settings.asr.model) == ("20240101.", "12")
    assert settings.judge.lexicons == ("en",)


def test_an_assignment_without_a_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"--set asr\.model has no '='"):
        overrides_of(["asr.model"])


@pytest.mark.parametrize(
    ("assignments", "why"),
    [
        (["judge.lexicons=[en,zh"], r"--set judge\.lexicons, line 2, is not YAML"),
        (["asr=base", "asr.model=x"], "asr is a section"),
    ],
)
def test_an_unreadable_assignment_is_named(assignments: list[str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        overrides_of(assignments)


@pytest.mark.parametrize("command", ["moderate", "transcribe", "judge", "run", "ingest", "worker", "cases", "doctor"])
def test_the_help_teaches_each_command(command: str) -> None:
    shown = voxwarden(command, "--help")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout.splitlines()) > 8


def test_the_help_loads_no_model_library() -> None:
    models = "'torch', 'whisper', 'faust', 'sqlalchemy'"
    code = f"import sys, agents.commands.command_line; print([m for m in ({models}) if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_wrong_setting_is_one_line_with_the_key() -> None:
    shown = voxwarden("--set", "asr.modell=tiny", "config", "show")
    assert shown.returncode == 2
    assert "asr.modell" in shown.stderr
    assert "Traceback" not in shown.stderr
    assert len(shown.stderr.strip().splitlines()) == 1


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    shown = voxwarden("--config", str(tmp_path / "none.yaml"), "config", "show")
    assert shown.returncode == 2
    assert "none.yaml" in shown.stderr


def test_a_bug_does_not_exit_as_flagged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fault() -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(sys.modules["agents.commands.app"], "app", fault)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "unforeseen" in caplog.text


@pytest.mark.parametrize("command", ["accounts add", "audit verify --expect", "cases show"])
def test_an_argument_that_is_no_text_is_an_error(own_store: str, tmp_path: Path, command: str) -> None:
    result = CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", *command.split(), "\udcff"])
    assert isinstance(result.exception, InputError)
    assert "is no text" in str(result.exception)


def test_a_folder_that_the_user_may_not_enter_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shut").mkdir(0)
    monkeypatch.setattr(sys, "argv", ["voxwarden", "--set", f"data_dir={tmp_path / 'shut'}", "cases", "list"])
    root = os.geteuid() == 0
    if root:  # root enters every folder
        tmp_path.chmod(0o755)
        os.seteuid(NOBODY)
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        if root:
            os.seteuid(0)
    assert ended.value.code == 3
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("command", ["cases list", pytest.param("doctor", marks=pytest.mark.full)])
def test_a_folder_with_a_name_that_is_too_long_is_named(tmp_path: Path, command: str) -> None:
    done = voxwarden("--set", f"data_dir={tmp_path / ('a' * 300)}", *command.split())
    assert done.returncode == 3
    assert "File name too long" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_usage_exits_with_2() -> None:
    assert voxwarden("moderate").returncode == 2
    assert voxwarden("moderate", "x.wav", "--format", "xml").returncode == 2


def test_a_room_type_without_rules_causes_a_warning() -> None:
    told = voxwarden("policy", "explain", "hello", "--room-type", "kid")
    assert told.returncode == 0
    assert "no rules for the room type kid, so the rules for all rooms apply. Did you mean kids?" in told.stderr
    assert "room type" not in voxwarden("policy", "explain", "hello", "--room-type", "kids").stderr


@pytest.mark.parametrize("known", ["default", "kids"])
def test_a_known_room_type_causes_no_warning(known: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_unknown(Settings(), known)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["kid", "[bold]kids[/]"])
def test_an_unknown_room_type_is_named_as_it_is_written(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_unknown(Settings(), name)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("warning: ")
    assert f"the room type {name}, so the rules for all rooms apply" in err


def test_a_broken_policy_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("every: 3\n", "utf-8")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        warn_unknown(Settings(judge=JudgeSettings(policy=str(tmp_path / "mine.yaml"))), "kids")


@pytest.mark.parametrize("command", REMEDIES)
def test_the_error_names_the_remedy(command: str) -> None:
    error = CliRunner().invoke(app, ["--set", "asr.model=tiny", *command.split(), "list", "--local"]).exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"There is no command `voxwarden {command}` any more. {REMEDIES[command]}"


def test_other_unknown_commands_are_errors_of_the_usage() -> None:
    for words in (["assess", "nothing"], ["nothing"]):
        assert CliRunner().invoke(app, words).exit_code == 2
