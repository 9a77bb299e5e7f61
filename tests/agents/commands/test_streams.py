"""Outputs that fail, as the shell sees them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


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
