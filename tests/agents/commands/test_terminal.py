"""Text from other people has no effect on a terminal, whatever command prints it."""

import io
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner, Result

from agents.commands import terminal
from agents.commands.app import main
from agents.commands.command_line import app
from agents.commands.terminal import harmless, is_harmful, json_text, plain, progress_bar, stderr, stdout
from pipeline.review.accounts import accounts
from pipeline.review.database import Database
from pipeline.review.privacy import holds
from pipeline.review.review_store import SqlReviewStore
from tests.builders import NOON, flag
from tests.pipeline.judge.fakes import WordClassifier

EVIL = "a\x1b]0;owned\x07b\x9b2Jc\u202ed\u2066e\u2028f\x7fg\u200eh\U000e0041i"
NAME = "ann\x9b2Jb\u202ec owned"
"""The message contract allows no other control characters in a name."""
CLEAN = "a�]0;owned�b�2Jc�d�e�f�g�h�i"


def run(folder: Path, *arguments: str, lines: str | None = None) -> Result:
    return CliRunner().invoke(app, ["--set", f"data_dir={folder}", *arguments], input=lines)


@pytest.fixture
def folder(tmp_path: Path, own_store: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a store in which every name is harmful."""
    monkeypatch.setenv("COLUMNS", "400")
    with closing(SqlReviewStore(Database(own_store))) as store:
        evil = flag("evil", 0, 5, room=NAME, speaker=NAME, text=EVIL, reasons=(EVIL,), hits=())
        [stored] = store.add([evil], NOON)
        with store._database.write() as connection:
            accounts.add_account(connection, "lin", "moderator", NOON, "test")
            holds.place_hold(connection, "room", NAME, EVIL, "test", NOON)
        (tmp_path / "case").write_text(stored.case)
    return tmp_path


def effects(text: str) -> set[str]:
    return {character for character in text if character != "\n" and is_harmful(character)}


def test_harmful_characters_are_replaced_and_others_stay() -> None:
    assert harmless(EVIL) == CLEAN
    kept = "Ünïcødé 弄死你\u3000全角\xa0 مرحبا नमस्ते 👩\u200d👩\u200d👧 می\u200cخواهم"
    assert harmless(kept) == kept
    assert harmless("a\tb\nc") == "a\tb\nc"
    assert plain("a\tb\nc").plain == "a�b�c"
    assert harmless("\ud800") == "�"


def test_json_keeps_its_meaning_without_effect() -> None:
    value = {"text": EVIL + "\ud800", "name": "弄死你"}
    written = json_text(json.dumps(value, ensure_ascii=False, indent=1))
    assert effects(written) == set()
    assert json.loads(written) == value
    assert "弄死你" in written


@pytest.mark.parametrize(
    "arguments",
    [
        ("cases", "list"),
        ("cases", "list", "--format", "json"),
        ("cases", "list", "--format", "jsonl"),
        ("cases", "show", "{case}"),
        ("cases", "show", "{case}", "--format", "json"),
    ],
)
def test_commands_that_show_the_store_have_no_effect(folder: Path, arguments: tuple[str, ...]) -> None:
    case = (folder / "case").read_text()
    done = run(folder, *(argument.format(case=case) for argument in arguments))
    assert done.exit_code == 0
    assert "owned" in done.stdout
    assert effects(done.stdout) == set()


def test_the_json_of_a_case_has_the_original_text(folder: Path) -> None:
    [case] = json.loads(run(folder, "cases", "list", "--format", "json").stdout)
    assert (case["room"], case["text"]) == (NAME, EVIL)


@pytest.mark.parametrize("options", [(), ("--format", "jsonl")])
def test_a_judged_text_has_no_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    monkeypatch.setattr("pipeline.judge.judge_stage.load_classifier", lambda _: WordClassifier({}))
    monkeypatch.setenv("COLUMNS", "200")
    done = run(tmp_path, "judge", "-", *options, lines=json.dumps({"text": EVIL}) + "\n")
    assert "owned" in done.stdout
    assert effects(done.stdout) == set()


def test_an_error_that_names_a_harmful_file_has_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["voxwarden", "--set", f"data_dir={tmp_path}", "judge", str(tmp_path / EVIL)])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "owned" in said
    assert effects(said) == set()


def test_printed_text_keeps_its_form_and_styles(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", box=None)
    table.add_row(Text(EVIL))
    stdout.print(table)
    stdout.print(f"[bold]{EVIL}[/]", "second", sep=" | ")
    stderr.print(EVIL, markup=False)
    shown = capsys.readouterr()
    assert effects(shown.out + shown.err) == set()
    assert f"{CLEAN.replace('owned�', 'owned')} | second\n" in shown.out  # rich itself drops the bell


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def moved(monkeypatch: pytest.MonkeyPatch, out: io.StringIO, err: io.StringIO) -> tuple[str, str]:
    """What a progress bar writes to stdout and stderr."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(terminal, "stdout", Console(file=out))
    monkeypatch.setattr(terminal, "stderr", Console(file=err))
    with progress_bar() as bar:
        bar.advance(bar.add_task("call.wav", total=2))
        bar.refresh()
    return out.getvalue(), err.getvalue()


def test_on_a_terminal_it_is_below_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = moved(monkeypatch, Screen(), Screen())
    assert "call.wav" in out
    assert err == ""


def test_it_is_on_stderr_if_the_results_go_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = moved(monkeypatch, io.StringIO(), Screen())
    assert out == ""
    assert "call.wav" in err


def test_it_is_hidden_if_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert moved(monkeypatch, io.StringIO(), io.StringIO()) == ("", "")


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `voxwarden` in bash. `$code` is its exit code in a pipe."""
    line = command.replace("voxwarden", f"{sys.executable} -m agents")
    shell = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(shell, capture_output=True, text=True, env=environment, check=False, timeout=120)


@pytest.mark.parametrize("command", ["config show", "--help", "moderate --help", "--version"])
def test_an_ended_reader_does_not_exit_as_flagged(command: str) -> None:
    done = shell(f"voxwarden {command} | (exec 0<&-; sleep 2)")
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", ["config show", "--version"])
@pytest.mark.parametrize("output", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_one_line(command: str, output: str) -> None:
    done = shell(f"voxwarden {command} {output}")
    assert done.returncode == 3
    assert "error: The results cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_messages_that_cannot_be_written_change_nothing() -> None:
    assert shell("voxwarden config check 2>&-").returncode == 0
    assert shell("voxwarden config check 2>/dev/full").returncode == 0
    assert shell("voxwarden policy check nope 2>&-").returncode == 2
    assert shell("voxwarden policy check nope 2>/dev/full").returncode == 2


def test_a_closed_input_is_an_error() -> None:
    done = shell("voxwarden judge <&-")
    assert (done.returncode, "Reading the texts failed" in done.stderr) == (3, True)


def test_the_command_works_with_all_streams_closed() -> None:
    assert shell("voxwarden config check <&- >&- 2>&-").returncode == 0


def test_a_small_character_set_gets_escapes(tmp_path: Path) -> None:
    done = shell(f"echo 你好 | voxwarden judge {tmp_path}/弄.txt", PYTHONIOENCODING="ascii")
    assert done.returncode == 3
    assert "There is no file" in done.stderr
    assert "\\u5f04.txt" in done.stderr


def test_the_version_is_printed() -> None:
    done = shell("voxwarden --version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("voxwarden 0.")


def test_the_help_fills_a_narrow_terminal_and_keeps_its_examples() -> None:
    shown = shell("voxwarden judge --help", COLUMNS="80").stdout
    paragraphs = re.split(r"\n\s*\n", shown[shown.index(" Use it") : shown.index(" Examples:")].strip())
    full = [line.strip() for paragraph in paragraphs for line in paragraph.splitlines()[:-1]]
    assert all(len(line) > 55 for line in full)
    assert "\n   voxwarden judge chat.txt --format jsonl > flags.jsonl" in shown


@pytest.mark.parametrize("command", ["", "judge", "moderate", "cases list", "run", "worker", "config show"])
def test_every_help_explains_the_exit_codes(command: str) -> None:
    assert "2 wrong usage or settings" in " ".join(shell(f"voxwarden {command} --help").stdout.split())
