"""The progress bar never mixes with results."""

import io

import pytest
from rich.console import Console

from agents.commands import progress
from agents.commands.progress import progress_bar


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def moved(monkeypatch: pytest.MonkeyPatch, out: io.StringIO, err: io.StringIO) -> tuple[str, str]:
    """What a progress bar writes to stdout and stderr."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "stdout", Console(file=out))
    monkeypatch.setattr(progress, "stderr", Console(file=err))
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
