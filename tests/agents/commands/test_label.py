"""`voxwarden label check`, as people and programs run it."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.speech.asr import transcribe_stage as stage
from pipeline.speech.audio.encode import encode_opus_clip
from tests.pipeline.sound.labelling.made import FIELD, recorded, rhythm, with_chunk
from tests.pipeline.speech.asr.parts import Scripted, recognition
from tests.pipeline.speech.audio.sound import clip, silence

LABEL = rhythm()
SCENE = np.concatenate([LABEL, silence(0.5), clip("tt-weasels")])
WHOLE = recorded(SCENE, "ogg", "libopus", {"AIGC": FIELD}, 48_000)
"""Labelled as the standard asks."""
WAVE = with_chunk(recorded(LABEL), b"AIGC", FIELD.encode())


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["label", "check", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    (tmp_path / "whole.ogg").write_bytes(WHOLE)
    return tmp_path / "whole.ogg"


@pytest.fixture
def unlabelled(tmp_path: Path) -> Path:
    (tmp_path / "plain.ogg").write_bytes(encode_opus_clip(clip("tt-weasels"), 24_000))
    return tmp_path / "plain.ogg"


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace Whisper by a transcriber that always hears the notice."""
    monkeypatch.setattr(
        stage, "load_recogniser", lambda _: Scripted([recognition("本音频由AI生成", language="zh")] * 9)
    )


def test_a_labelled_file_is_complete(labelled: Path) -> None:
    done = run(labelled, "--no-speech", "--fail-on", "incomplete")
    assert done.exit_code == 0
    assert "rhythm     ● found" in done.stdout
    assert "(start)" in done.stdout
    assert "notice     ? not checked" in done.stdout
    assert "tag AIGC: generated" in done.stdout
    assert "ContentProducer PRODUCER-1" in done.stdout
    assert "● complete" in done.stdout


def test_a_program_reads_a_line_for_each_file(labelled: Path, unlabelled: Path, spoken: None) -> None:
    done = run(labelled, unlabelled, "--format", "jsonl")
    whole, plain = map(json.loads, done.stdout.splitlines())
    assert (whole["kind"], whole["file"], whole["verdict"]) == ("labelling", str(labelled), "complete")
    rhythm_mark, notice = whole["marks"]
    assert rhythm_mark == {"kind": "rhythm", "start": pytest.approx(0, abs=0.05), "end": rhythm_mark["end"],
                           "position": "start"}  # fmt: skip
    assert (notice["kind"], notice["text"], notice["language"]) == ("notice", "本音频由AI生成", "zh")
    assert whole["metadata"][0] | {"fields": {}} == {
        "place": "tag AIGC", "state": "valid", "fields": {}, "problems": [],
    }  # fmt: skip
    assert (plain["verdict"], plain["explicit"], plain["implicit"]) == ("incomplete", True, False)


@pytest.mark.parametrize(
    ("fail_on", "codes"), [((), (0, 0)), (("--fail-on", "none"), (0, 0)), (("--fail-on", "incomplete"), (0, 1))]
)
def test_exit_codes_follow_the_verdict(
    labelled: Path, unlabelled: Path, fail_on: tuple[str, ...], codes: tuple[int, int]
) -> None:
    found = [run(file, "--no-speech", *fail_on).exit_code for file in (labelled, unlabelled)]
    assert tuple(found) == codes


def test_a_broken_field_is_shown_and_not_executed(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(with_chunk(recorded(LABEL), b"AIGC", b'{"Label":"\x1b[31m\\u001b[31m9"}'))
    done = run(tmp_path / "bad.wav", "--no-speech")
    assert "malformed" in done.stdout
    assert "\x1b" not in done.stdout
    assert "◆ incomplete" in done.stdout


def test_an_unreadable_file_names_the_remedy_and_the_others_are_checked(tmp_path: Path, labelled: Path) -> None:
    (tmp_path / "notes.wav").write_text("no audio")
    done = run(tmp_path / "notes.wav", labelled, tmp_path / "gone.mp3", "--no-speech", "--format", "jsonl")
    assert done.exit_code == 3
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["unknown", "complete", "unknown"]
    assert "notes.wav cannot be read as audio" in done.stderr
    assert "Check the path." in done.stderr


def test_help_teaches() -> None:
    done = run("--help")
    assert "short-long-short-short" in done.stdout
    assert "--fail-on incomplete" in done.stdout


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    source=st.sampled_from([WHOLE, WAVE]),
    cut=st.integers(0, 20_000),
    changes=st.lists(st.tuples(st.integers(0, 19_999), st.integers(0, 255)), max_size=8),
)
def test_any_file_gives_a_line(tmp_path: Path, source: bytes, cut: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(source)
    for at, value in changes:
        data[at % len(data)] = value
    (tmp_path / "any").write_bytes(bytes(data[:cut]))
    done = run(tmp_path / "any", "--no-speech", "--format", "jsonl")
    found = json.loads(done.stdout)
    assert done.exit_code == (3 if found["error"] else 0)
    assert found["verdict"] in {"complete", "incomplete", "unknown"}
