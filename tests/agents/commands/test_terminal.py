"""Text from other people has no effect on a terminal, whatever command prints it."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner, Result

from agents.commands.app import main, stderr, stdout
from agents.commands.command_line import app
from agents.commands.terminal import harmless, is_harmful, json_text, plain
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
        ("retention", "holds"),
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
