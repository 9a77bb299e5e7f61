"""Lines to standard output from a thread of their own."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from agents.commands import line_writer
from agents.commands.line_writer import LineWriter
from agents.commands.streams import OutputError


class Output:
    """A standard output whose reader waits for `free`, and fails with `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.free = threading.Event()
        self.taking = threading.Event()
        self.text = ""
        self.error = error

    def write(self, text: str) -> int:
        self.taking.set()
        self.free.wait()
        if self.error:
            raise self.error
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing waits here."""


def use(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_writer, "sys", type("Sys", (), {"stdout": output}))


def test_all_lines_are_written_by_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output()
    use(output, monkeypatch)
    output.free.set()
    with LineWriter(lambda: None) as writer:
        for number in range(3):
            writer.write(f"{number}")
    assert output.text == "0\n1\n2\n"


def test_a_slow_reader_holds_up_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    output = Output()
    use(output, monkeypatch)
    monkeypatch.setattr(line_writer, "MAX_LINES", 2)
    with LineWriter(lambda: None) as writer:
        writer.write("0")
        output.taking.wait()
        for number in range(1, 6):
            writer.write(f"{number}")
        output.free.set()
    assert output.text == "0\n1\n2\n"
    assert "3 lines were dropped" in caplog.text


@pytest.mark.parametrize("error", [OutputError("The results cannot be written", "Free disk space."), SystemExit(141)])
def test_an_output_that_fails_ends_the_work_once(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    output = Output(error)
    use(output, monkeypatch)
    output.free.set()
    failed: list[Any] = []
    ended = threading.Event()

    def fail() -> None:
        failed.append(None)
        ended.set()

    with pytest.raises(type(error)):
        write(fail, ended)
    assert len(failed) == 1


def write(fail: Callable[[], object], ended: threading.Event) -> None:
    with LineWriter(fail) as writer:
        writer.write("0")
        ended.wait()
        writer.write("1")


def test_a_reader_that_never_reads_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output()
    use(output, monkeypatch)
    monkeypatch.setattr(line_writer, "MAX_LINES", 1)
    monkeypatch.setattr(line_writer, "LAST_SECONDS", 0.01)
    with LineWriter(lambda: None) as writer:
        writer.write("0")
        output.taking.wait()
        writer.write("1")
    assert output.text == ""
    output.free.set()
