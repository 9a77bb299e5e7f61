"""Each writer prints every result once, and sends the errors to stderr only."""

import io
import json
from collections.abc import Sequence

import pytest

from agents.commands.results import WRITERS
from pipeline.contract.messages import Flag
from pipeline.runner.recordings_runner import FileReport
from tests.builders import NOON, flag

SAID = flag("x", -NOON + 1, -NOON + 2.5, room="call.wav")
FINE = flag("y", -NOON + 3, -NOON + 4, room="call.wav", suggestion="pass", flagged=(), text="fine\n\n\x1b[2J")
DONE = FileReport("call.wav", seconds=65.0, speech_seconds=2.5, utterances=2, suggestion="review")
LOST = FileReport("lost.wav", error="lost.wav is empty (0 bytes)")


def written(form: str, found: Sequence[Flag | FileReport], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    writer = WRITERS[form]()
    for each in found:
        writer.write(each)
    writer.close()
    shown = capsys.readouterr()
    return shown.out, shown.err


@pytest.mark.parametrize("form", WRITERS)
def test_an_error_of_a_file_is_on_stderr_once(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = written(form, [LOST], capsys)
    assert err.count("lost.wav is empty (0 bytes)") == 1
    assert ("lost.wav" in out) == form.startswith("json")


@pytest.mark.parametrize("form", WRITERS)
def test_no_control_character_reaches_the_terminal(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = written(form, [SAID, FINE, DONE], capsys)
    assert "弄死你 x" in out
    assert "\x1b[2J" not in out


@pytest.mark.parametrize("found", [[], [SAID], [SAID, FINE, DONE, LOST]])
def test_json_is_one_array_of_the_lines(found: list[Flag | FileReport], capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(written("json", found, capsys)[0])
    lines = [json.loads(line) for line in written("jsonl", found, capsys)[0].splitlines()]
    assert whole == lines
    assert [line["kind"] for line in lines] == ["utterance" if isinstance(each, Flag) else "file" for each in found]
    assert [line["file"] for line in lines[:3]] == ["call.wav"] * len(lines[:3])


def test_subtitles_are_in_order_of_time_and_have_no_empty_line_inside(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that waited for words or second ear comes last."""
    out, _ = written("srt", [FINE, SAID, DONE], capsys)
    one, two = out.rstrip("\n").split("\n\n")
    assert one == "1\n00:00:01,000 --> 00:00:02,500\n[review: violence] 弄死你 x"
    assert two.startswith("2\n00:00:03,000 --> 00:00:04,000\nfine ")


def test_a_file_ends_with_its_worst_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = written("table", [DONE], capsys)
    assert out == "call.wav  ◆ review  2 utterances, 2 s of speech in 1:05.0\n\n"


def test_a_line_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that reads the lines must not wait for the end of all recordings."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, "utf-8"))
    WRITERS["jsonl"]().write(SAID)
    assert json.loads(raw.getvalue())["text"] == "弄死你 x"
