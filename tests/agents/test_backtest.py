"""`voxwarden backtest` on a file. tests/stream/test_backtest.py tests it on Kafka."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from agents.commands import backtest as command
from agents.commands.command_line import app
from pipeline.base.errors import ConfigError, InputError, TextError
from pipeline.judge import policy_comparison
from tests.pipeline.judge.fakes import WordClassifier

SAID = [
    {"text": "hello", "start": 10.0},
    {"text": "idiots", "start": 20.0, "room": "lobby", "id": "t-2"},
    {"text": "you suck", "start": 30.0, "room_type": "kids"},
    {"text": "you suck", "start": 40.0},
]


@pytest.fixture(autouse=True)
def _classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    known = WordClassifier({"idiots": {"abuse": 0.96, "risk": 0.96}})
    monkeypatch.setattr(policy_comparison, "load_classifier", lambda _: known)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "new.yaml"
    path.write_text("name: new\nevery: {review: 0.97, levels: {low: review}}\n")
    return path


@pytest.fixture
def said(tmp_path: Path) -> Path:
    path = tmp_path / "said.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in SAID))
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["backtest", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def lines(*arguments: object) -> list[dict[str, Any]]:
    code, output, _ = run(*arguments, "--format", "jsonl")
    assert code == 0
    return [json.loads(line) for line in output.splitlines()]


def test_every_difference_is_a_line_and_the_last_line_has_the_totals(policy: Path, said: Path) -> None:
    gone, new, total = lines("--policy", policy, "--file", said)
    assert (gone["kind"], gone["transcript"], gone["room"], gone["start"]) == ("gone", "t-2", "lobby", 20.0)
    assert gone["before"] == {"suggestion": "review", "flagged": ["abuse"], "risk": pytest.approx(0.96)}
    assert gone["after"]["suggestion"] == "pass"
    assert (new["kind"], new["start"]) == ("new", 40.0)
    assert {kind: total[kind] for kind in ("transcripts", "new", "gone", "changed", "same")} == {
        "transcripts": 4, "new": 1, "gone": 1, "changed": 0, "same": 2,
    }  # fmt: skip
    assert total["labels"] == {"abuse": {"new": 1, "gone": 1, "changed": 0, "same": 1}}
    assert (total["before"][:8], total["after"][:4]) == ("default@", "new@")


def test_the_lines_hold_no_text(policy: Path, said: Path) -> None:
    assert "idiots" not in json.dumps(lines("--policy", policy, "--file", said))


def test_a_time_span_and_a_limit_select_transcripts(policy: Path, said: Path) -> None:
    span = ("--from", "1970-01-01T00:00:20", "--to", "1970-01-01T00:00:40")
    assert lines("--policy", policy, "--file", said, *span)[-1]["transcripts"] == 2
    assert lines("--policy", policy, "--file", said, "--limit", 1)[-1]["transcripts"] == 1
    assert lines("--policy", policy, "--file", said, "--to", "1d")[-1]["transcripts"] == 4


def test_against_selects_the_other_policy(policy: Path, said: Path) -> None:
    *differences, total = lines("--policy", policy, "--against", policy, "--file", said)
    assert differences == []
    assert total["before"] == total["after"]


def test_the_table_shows_text_only_on_a_terminal(policy: Path, said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--policy", policy, "--file", said)
    monkeypatch.setattr(command, "stdout", Console(width=160))
    code, piped, _ = run(*arguments)
    assert code == 0
    assert "- gone" in piped
    assert "0:20.0" in piped
    assert "idiots" not in piped
    monkeypatch.setattr(command, "stdout", Console(width=160, force_terminal=True))
    assert "idiots" in run(*arguments)[1]
    assert "0:20.0" not in run(*arguments, "--examples", 0)[1]


def test_a_broken_line_is_reported_and_the_others_are_judged(policy: Path, said: Path) -> None:
    with said.open("a") as file:
        file.write('{"text": 7}\n{"text": "hello again"}\n')
    code, output, errors = run("--policy", policy, "--file", said, "--format", "jsonl")
    assert code == 3
    assert "Line 5 is not a transcript" in errors
    total = json.loads(output.splitlines()[-1])
    assert (total["transcripts"], total["unreadable"]) == (5, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--policy", "nowhere"), ConfigError, r"nowhere\.yaml"),
        (("--policy", "strict", "--from", "lunch"), InputError, "--from lunch is not a time"),
        (("--policy", "strict", "--file", "/nowhere.jsonl"), TextError, "/nowhere.jsonl cannot be read"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(*arguments)
