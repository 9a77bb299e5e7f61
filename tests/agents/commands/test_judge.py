import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agents.commands.app import app
from pipeline.base.errors import ConfigError, TextError
from pipeline.judge import judge_stage as stage
from tests.pipeline.judge.fakes import WordClassifier

KEYS = [
    "kind", "file", "room", "speaker", "start", "end", "language", "text", "confidence",
    "suggestion", "risk", "labels", "hits", "policy", "model",
]  # fmt: skip


@pytest.fixture(autouse=True)
def classifier(monkeypatch: pytest.MonkeyPatch) -> WordClassifier:
    """Replace the shipped model by a classifier that knows one word."""
    known = WordClassifier({"idiots": {"abuse": 0.99, "risk": 0.99}})
    monkeypatch.setattr(stage, "load_classifier", lambda _: known)
    return known


def judge(*arguments: str | Path, texts: bytes = b"") -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(app, ["judge", "--format", "jsonl", *map(str, arguments)], input=texts)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_every_line_has_the_keys_of_the_contract_in_order() -> None:
    code, (first, second), errors = judge(texts="we say: add me on telegram\n我弄死你\n".encode())
    assert (code, errors) == (0, "")
    assert list(first) == list(second) == [KEYS[0], "line", "id", *KEYS[1:]]
    assert [first[key] for key in ("file", "room", "speaker", "start", "end", "confidence")] == [None] * 6
    (hit,) = first["hits"]
    assert first["text"][hit["start"] : hit["end"]] == "add me on telegram"
    assert (second["language"], second["suggestion"]) == ("zh", "review")
    assert 0 < first["risk"] < 1


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_the_order_is_kept_with_every_batch_size(tmp_path: Path, batch: int) -> None:
    (tmp_path / "many.txt").write_text("".join(f"text {i}\n" for i in range(150)), "utf-8")
    code, lines, _ = judge(tmp_path / "many.txt", "--batch", str(batch))
    assert code == 0
    assert [line["text"] for line in lines] == [f"text {i}" for i in range(150)]


def test_json_objects_choose_language_and_room_type() -> None:
    texts = [
        {"text": "you suck", "room_type": "kids", "id": 7},
        {"text": "you suck"},
        {"text": "ok", "language": "ZH"},
        {"text": "line\nbreak"},
    ]
    _, lines, _ = judge(texts="\n".join(json.dumps(text) for text in texts).encode())
    assert [line["suggestion"] for line in lines] == ["review", "pass", "pass", "pass"]
    assert [(line["line"], line["id"]) for line in lines] == [(1, 7), (2, None), (3, None), (4, None)]
    assert lines[2]["language"] == "zh"
    assert lines[3]["text"] == "line\nbreak"


def test_a_text_that_is_not_judged_has_no_verdict() -> None:
    """By its script, or by the language that the line states. A term that is found counts nevertheless."""
    texts = [
        "привет, как дела",
        json.dumps({"text": "ciao", "language": "it"}),
        "привет, давай скорее пиши мне: add me on telegram",
        "hi",
    ]
    code, lines, _ = judge("--fail-on", "block", texts="\n".join(texts).encode())
    assert [line["language"] for line in lines] == ["unsupported"] * 3 + ["en"]
    assert [line["suggestion"] for line in lines] == [None, None, "review", "pass"]
    assert code == 0
    assert "○ unsupported" in CliRunner().invoke(app, ["judge"], input=texts[0].encode()).stdout


def test_lines_with_speakers_and_times_are_read_in_context(classifier: WordClassifier) -> None:
    classifier.context = True
    classifier.known |= {"fool": {"risk": 0.6}, "you are a</s>fool": {"abuse": 0.99, "risk": 0.99}}
    said = [{"text": "you are a", "start": 1.0}, {"text": "fool", "start": 2.5}]
    spoken = [json.dumps(line | {"speaker": "ann", "room": "r"}) for line in said]
    for texts, suggestion in ((spoken, "block"), (map(json.dumps, said), "pass"), (["you are a", "fool"], "pass")):
        _, (_, line), _ = judge(texts="\n".join(texts).encode())
        assert line["suggestion"] == suggestion
    shown = CliRunner().invoke(app, ["judge"], input="\n".join(spoken).encode())
    assert "abuse in context: fool" in shown.stdout


def test_room_type_and_policy_apply_to_every_line() -> None:
    assert judge("--room-type", "kids", texts=b"you suck")[1][0]["suggestion"] == "review"
    (line,) = judge("--policy", "strict", texts=b"you suck")[1]
    assert line["suggestion"] == "review"
    assert line["policy"].startswith("strict@")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"caf\xe9", "Line 2 is not UTF-8 (byte 4 of it)"),
        (b'{"text": ', "Line 2 is not a JSON object with a text"),
        (b'{"words": "x"}', "Line 2 is not a JSON object with a text"),
        (b'{"text": 3}', "Line 2 is not a JSON object with a text"),
        (b'{"text": "x", "language": "Klingon"}', "Line 2 is not a JSON object with a text"),
        (b'{"text": "\\ud800"}', "Line 2 is not a JSON object with a text"),
        (b"x" * 100_001, "Line 2 has 100,001 characters"),
        (b'{"text": "x", "more": ' + b"[" * 90_000, "Line 2 is not a JSON object with a text"),
        (b'{"text": "x", "id": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", "Line 2"),
        (b"x" * 5_000_000, "Line 2 has more than 1,048,576 bytes"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_judged(bad: bytes, message: str) -> None:
    code, lines, errors = judge(texts=b"one\n" + bad + b"\nidiots\n")
    assert code == 3
    assert [line["kind"] for line in lines] == ["utterance", "error", "utterance"]
    assert lines[1]["line"] == 2
    assert lines[1]["error"].startswith(message)
    assert lines[2]["suggestion"] == "block"
    assert message in errors
    assert len(errors.splitlines()) == 1


def test_braces_in_a_text_do_not_make_it_json() -> None:
    texts = ["{lol} idiots", "{ idiots", "{}} idiots", "{'text': idiots}"]
    code, lines, errors = judge(texts="\n".join(texts).encode())
    assert (code, errors) == (0, "")
    assert [line["text"] for line in lines] == texts
    assert {line["suggestion"] for line in lines} == {"block"}


def test_an_id_that_is_a_structure_is_ignored() -> None:
    (line,) = judge(texts=b'{"text": "hello", "id": {"oid": [1]}}')[1]
    assert line["id"] is None


@pytest.mark.parametrize(
    ("fail_on", "texts", "code"),
    [
        ("review", b"hello\nidiots\n", 1),
        ("block", b"hello\nidiots\n", 1),
        ("block", b"add me on telegram\n", 0),
        ("review", b"add me on telegram\n", 1),
        ("review", b"hello\n", 0),
        ("review", b'idiots\n{"text": 3}\n', 3),
    ],
)
def test_fail_on_decides_the_exit_code(fail_on: str, texts: bytes, code: int) -> None:
    assert judge("--fail-on", fail_on, texts=texts)[0] == code


def test_an_empty_input_gives_no_output() -> None:
    assert judge(texts=b"") == (0, [], "")


def test_a_missing_file_or_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"There is no file .*nope\.txt"):
        judge(tmp_path / "nope.txt")
    with pytest.raises(ConfigError, match=r"nope\.yaml cannot be read"):
        judge("--policy", "nope")


def test_the_table_is_for_people() -> None:
    result = CliRunner().invoke(app, ["judge"], input="hello\nidiots [all]\n", env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "line 1" in result.stdout
    assert "idiots [all]" in result.stdout
    assert "block" in result.stdout


def test_explain_names_the_matched_rule() -> None:
    result = CliRunner().invoke(app, ["policy", "explain", "add me on telegram"], env={"COLUMNS": "120"})
    assert "ads_spam: the term “add me on telegram” (medium) means review" in result.stdout
    assert "no rule matched" in CliRunner().invoke(app, ["policy", "explain", "hello"]).stdout
    assert "○ unsupported" in CliRunner().invoke(app, ["policy", "explain", "я тебя убью"]).stdout


def test_policy_check_accepts_the_shipped_files() -> None:
    assert "default@" in CliRunner().invoke(app, ["policy", "check"]).stderr
    assert "strict@" in CliRunner().invoke(app, ["policy", "check", "strict"]).stderr
    assert isinstance(CliRunner().invoke(app, ["policy", "check", "nope"]).exception, ConfigError)


def test_policy_check_loads_neither_torch_nor_whisper() -> None:
    script = (
        "import sys; from agents.commands.command_line import app\n"
        "app(['policy', 'check'], standalone_mode=False)\n"
        "print(sorted({'torch', 'whisper', 'transformers', 'faust'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
