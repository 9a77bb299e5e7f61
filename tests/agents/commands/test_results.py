"""Each writer prints every result once, and sends the errors to stderr only."""

import io
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.commands import results
from agents.commands.results import (
    WRITERS,
    LineWriter,
    error_line,
    file_line,
    text_line,
    unheard_line,
    utterance_line,
)
from agents.commands.terminal import OutputError
from agents.commands.textlines import InputPlace
from pipeline.contract.messages import Flag
from pipeline.contract.speech_status import skipped
from pipeline.judge.reader.second_reading import flag_of
from pipeline.runner.recordings_runner import FileReport, Found
from tests.builders import NOON, flag, second_reading, transcript
from tests.pipeline.judge.fakes import judge_of
from tests.pipeline.strategies import messages

SAID = flag("x", -NOON + 1, -NOON + 2.5, room="call.wav")
FINE = flag("y", -NOON + 3, -NOON + 4, room="call.wav", suggestion="pass", flagged=(), text="fine\n\n\x1b[2J")
DONE = FileReport("call.wav", seconds=65.0, speech_seconds=2.5, utterances=2, suggestion="review")
FRENCH = skipped(transcript("", 4.0, room="call.wav", language="fr", skipped=True))
LOST = FileReport("lost.wav", error="lost.wav is empty (0 bytes)")


def written(form: str, found: Sequence[Found], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
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
    out, _ = written(form, [SAID, FINE, FRENCH, DONE], capsys)
    assert "弄死你 x" in out
    assert "unheard" in out
    assert "\x1b[2J" not in out


@pytest.mark.parametrize("found", [[], [SAID], [SAID, FINE, FRENCH, DONE, LOST]])
def test_json_is_one_array_of_the_lines(found: list[Found], capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(written("json", found, capsys)[0])
    lines = [json.loads(line) for line in written("jsonl", found, capsys)[0].splitlines()]
    assert whole == lines
    kinds = ["utterance", "utterance", "unheard", "file", "file"]
    assert [line["kind"] for line in lines] == kinds[: len(found)]
    assert [line["file"] for line in lines[:3]] == ["call.wav"] * len(lines[:3])


def test_subtitles_are_in_order_of_time_and_have_no_empty_line_inside(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that waited for words or second ear comes last."""
    out, _ = written("srt", [FINE, SAID, DONE], capsys)
    one, two = out.rstrip("\n").split("\n\n")
    assert one == "1\n00:00:01,000 --> 00:00:02,500\n[review: violence] 弄死你 x"
    assert two.startswith("2\n00:00:03,000 --> 00:00:04,000\nfine ")


def test_subtitles_leave_out_what_has_no_words_and_name_what_was_not_judged(capsys: pytest.CaptureFixture[str]) -> None:
    bang = flag("z", -NOON, -NOON + 1, room="call.wav", suggestion="pass", flagged=(), text="")
    out, _ = written("srt", [FRENCH, bang], capsys)
    assert out == "1\n00:00:04,000 --> 00:00:06,000\n[unheard: language fr]\n\n"


@pytest.mark.parametrize("form", ["table", "srt"])
def test_what_the_second_reader_finds_does_not_print_the_words_again(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = flag_of(second_reading("y", -NOON + 3, -NOON + 4, room="call.wav", text=FINE.text))
    out, _ = written(form, [SAID, FINE, found, DONE], capsys)
    assert out.count("fine") == 1
    assert out.count("violence") == 2


def test_a_file_ends_with_its_worst_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = written("table", [DONE], capsys)
    assert out == "call.wav  ◆ review  2 utterances, 2 s of speech in 1:05.0\n\n"
    out, _ = written("table", [FileReport("call.wav", seconds=5.0, speech_seconds=2.0, unheard=1)], capsys)
    assert out == "call.wav  ○ unheard  0 utterances (1 more unheard), 2 s of speech in 0:05.0\n\n"


def test_a_line_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that reads the lines must not wait for the end of all recordings."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, "utf-8"))
    WRITERS["jsonl"]().write(SAID)
    assert json.loads(raw.getvalue())["text"] == "弄死你 x"


KEYS = [
    "kind", "file", "room", "speaker", "start", "end", "language", "text", "confidence",
    "suggestion", "risk", "labels", "hits", "policy", "model",
]  # fmt: skip
PLACES = st.builds(InputPlace, st.integers(1, 9), st.none() | st.text("ab") | st.integers(0, 9))


def test_an_utterance_line_has_hits_in_seconds() -> None:
    (flag,) = judge_of().process([transcript("add me on telegram", 10.0)])
    assert isinstance(flag, Flag)
    line = utterance_line(flag, "call.wav")
    assert list(line) == KEYS
    assert (line["file"], line["hits"][0]["start"], line["hits"][0]["end"]) == ("call.wav", 10.0, 12.0)


@settings(max_examples=12)
@given(messages(Flag))
def test_an_utterance_line_is_json_with_the_keys_of_the_contract(flag: Flag) -> None:
    line = json.loads(json.dumps(utterance_line(flag, None), allow_nan=False))
    assert list(line) == [*KEYS, *(key for key in ("sound", "withheld", "released", "act") if getattr(flag, key))]
    assert (line["text"], line["suggestion"], line["file"]) == (flag.text, flag.suggestion, None)
    kind = "sound" if flag.sound else "utterance"
    assert line["kind"] == ("second_reading" if flag.source == "reader" else kind)
    assert abs(line["start"] - flag.start) <= max(0.0005, 1e-9 * flag.start)
    assert line["labels"].keys() == flag.labels.keys()
    assert len(line["hits"]) == len(flag.hits)


@settings(max_examples=12)
@given(messages(Flag).map(lambda flag: replace(flag, sound=None, withheld=(), released="", act=())), PLACES)
def test_a_text_line_has_its_place_and_offsets_of_characters_instead_of_times(flag: Flag, place: InputPlace) -> None:
    line = json.loads(json.dumps(text_line(flag, place), allow_nan=False))
    assert list(line) == ["kind", "line", "id", *KEYS[1:]]
    assert (line["line"], line["id"]) == (place.line, place.id)
    assert [line[key] for key in ("file", "room", "speaker", "start", "end", "confidence")] == [None] * 6
    assert [(hit["start"], hit["end"]) for hit in line["hits"]] == [(hit.start, hit.end) for hit in flag.hits]


def test_a_file_line_tells_why_a_file_was_not_read() -> None:
    report = FileReport("a.wav", seconds=3.00049, speech_seconds=1.23456, utterances=2, suggestion="block", error="cut")
    assert file_line(report) == {
        "kind": "file", "file": "a.wav", "seconds": 3.0, "speech_seconds": 1.235,
        "utterances": 2, "unheard": 0, "suggestion": "block", "error": "cut",
    }  # fmt: skip


def test_an_unheard_line_has_place_and_reason() -> None:
    assert unheard_line(FRENCH) == {
        "kind": "unheard", "file": "call.wav", "room": "call.wav", "speaker": FRENCH.speaker, "start": 4.0, "end": 6.0,
        "state": "skipped", "reason": "language", "language": "fr",
    }  # fmt: skip


def test_an_error_line_names_its_line() -> None:
    assert error_line(InputPlace(7, "x"), "not UTF-8") == {"kind": "error", "line": 7, "error": "not UTF-8"}


def test_numbers_are_rounded_to_what_a_reader_needs() -> None:
    said = flag("x", 1.23456 - NOON, 2.5 - NOON, confidence=0.87654, risk=0.12345678, labels={"hate": 0.12345678})
    line = utterance_line(said, None)
    assert (line["start"], line["end"], line["confidence"]) == (1.235, 2.5, 0.8765)
    assert (line["risk"], line["labels"]) == (0.123457, {"hate": 0.123457})


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
    monkeypatch.setattr(results, "sys", type("Sys", (), {"stdout": output}))


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
    monkeypatch.setattr(results, "MAX_LINES", 2)
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
    monkeypatch.setattr(results, "MAX_LINES", 1)
    monkeypatch.setattr(results, "LAST_SECONDS", 0.01)
    with LineWriter(lambda: None) as writer:
        writer.write("0")
        output.taking.wait()
        writer.write("1")
    assert output.text == ""
    output.free.set()
