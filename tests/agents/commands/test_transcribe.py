"""`voxwarden transcribe` for programs: one process with real weights, others with scripted speech."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.commands.app import app
from pipeline.settings import Asr
from pipeline.speech.asr import transcribe_stage as stage
from tests.pipeline.speech.asr.parts import DATA, Scripted, plain, recognition


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Asr]]:
    """Replace Whisper by a transcriber that always answers "hello & there". Gives the settings that were loaded."""
    settings: list[Asr] = []

    def load(asr: Asr) -> Scripted:
        settings.append(asr)
        return Scripted([recognition("hello & there", language=asr.language or "en")] * 40)

    monkeypatch.setattr(stage, "load_recogniser", load)
    return iter([settings])


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["transcribe", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.weights
def test_speech_becomes_text(tmp_path: Path) -> None:
    (tmp_path / "notes.wav").write_text("not audio")
    command = ["--set", "asr.model=tiny.en", "transcribe", DATA / "tt-weasels.flac", tmp_path, "nope.mp3"]
    done = subprocess.run(
        [sys.executable, "-m", "agents", *map(str, command), "--whole", "--words", "--format", "jsonl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    weasels, notes, nope = map(json.loads, done.stdout.splitlines())
    assert plain(weasels["text"]) == "weasels have eaten our phone system"
    assert set(weasels) == {
        "file", "start", "end", "language", "text", "confidence", "no_speech", "marks", "words",
    }  # fmt: skip
    assert (weasels["file"], weasels["start"], weasels["language"]) == (str(DATA / "tt-weasels.flac"), 0.0, "en")
    assert plain(" ".join(word["text"] for word in weasels["words"])) == plain(weasels["text"])
    assert set(notes) == set(nope) == {"file", "error"}
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == ["error", "error"]


def test_text_is_bare_for_one_file_and_has_names_for_more(asked: Iterator[list[Asr]]) -> None:
    one, two = DATA / "tt-weasels.flac", DATA / "dir-nomatch.flac"
    assert run(one) == (0, "hello & there\n", "")
    assert run(one, two) == (0, f"{one}\thello & there\n{two}\thello & there\n", "")


def test_subtitles_have_times(asked: Iterator[list[Asr]]) -> None:
    file = DATA / "tt-weasels.flac"
    _, srt, _ = run(file, "--whole", "--format", "srt")
    assert srt == "1\n00:00:00,000 --> 00:00:02,951\nhello & there\n\n"
    _, vtt, _ = run(file, "--whole", "--format", "vtt")
    assert vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:02.951\nhello &amp; there\n\n"


def test_a_folder_is_walked(asked: Iterator[list[Asr]]) -> None:
    code, out, _ = run(DATA, "--whole", "--format", "jsonl")
    assert code == 0
    files = [json.loads(line)["file"] for line in out.splitlines()]
    assert files == sorted(map(str, DATA.rglob("*.flac")))


def test_options_reach_the_engine(asked: Iterator[list[Asr]]) -> None:
    run(DATA / "tt-weasels.flac", "--language", "zh", "--words", "--engine", "openai-whisper")
    ((asr,),) = asked
    assert (asr.language, asr.words, asr.engine) == ("zh", True, "openai-whisper")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["--format", "srt", DATA / "tt-weasels.flac", DATA / "dir-nomatch.flac"],
            "srt and vtt work with one recording",
        ),
        (["--format", "doc", DATA / "tt-weasels.flac"], "doc"),
        ([], "paths"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str | Path], why: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert why in err


def test_an_unknown_engine_is_named() -> None:
    result = CliRunner().invoke(app, ["transcribe", "a.wav", "--engine", "magic"])
    assert "asr.engine" in str(result.exception)


@pytest.mark.full
@pytest.mark.weights
def test_speech_in_another_language_is_named_with_the_option_that_transcribes_it() -> None:
    file = DATA / "other_languages" / "fr-no-service.flac"
    code, out, err = run(file, "--format", "jsonl")
    (line,) = map(json.loads, out.splitlines())
    assert (code, line["language"], line["text"]) == (0, "fr", "")
    assert "1 utterances are in the language fr" in " ".join(err.split())
    assert "--language fr" in err
    assert "service" in run(file, "--language", "fr")[1]


def test_no_part_of_the_judge_is_loaded() -> None:
    code = (
        "import sys; from agents.commands.command_line import app; from typer.testing import CliRunner; "
        f"CliRunner().invoke(app, ['--set', 'asr.model=nope', 'transcribe', {str(DATA / 'tt-weasels.flac')!r}]); "
        "print(sorted(m for m in sys.modules if m.startswith(('transformers', 'ahocorasick', 'sqlalchemy', 'faust'))))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
