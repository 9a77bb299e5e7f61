"""`voxwarden assess`: from the opening to a bundle that verifies."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

import pipeline
from agents.commands import assess as assess_commands
from agents.commands import assess_drill
from agents.commands.assess import chinese, chinese_errors, of_environment
from agents.commands.command_line import app
from pipeline.assessment import attachments, drill_speech, forms
from pipeline.assessment.report import assessments, bundle, content, data_files, pdf, rules_in_force, verify
from pipeline.base import canonical_json, errors, private_files, signing
from pipeline.base.errors import CaseError, ConfigError, InputError, Missing, VoxwardenError
from pipeline.base.libraries import install_extra
from pipeline.review import audit_log
from pipeline.review.database import Database
from tests.pipeline.assessment.report import stored
from tests.pipeline.console.test_error_pages import raises
from tests.pipeline.review import people

Assess = Callable[..., Result]

MODULES = (assess_commands, assess_drill, verify)
RAISING = (
    *MODULES,
    assessments,
    attachments,
    bundle,
    content,
    data_files,
    drill_speech,
    pdf,
    rules_in_force,
    signing,
)
"""Modules whose errors `voxwarden assess` shows. Errors that other commands have, too, are in English."""
SAYING = {"say", "said", "warn", "Checked"}
"""Functions whose texts are translated."""


@pytest.fixture
def database(own_store: str) -> Iterator[Database]:
    made = Database(own_store)
    people.hire(made)
    stored.fill(made)
    yield made
    made.close()


@pytest.fixture
def assess(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Assess:
    """Return a function that runs the command in `tmp_path`, two days after the speech."""
    monkeypatch.setattr("time.time", lambda: stored.NOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return lambda *arguments: CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "assess", *arguments])


def opened(database: Database) -> str:
    """Open an assessment of the last 90 days, as the console does, and return its id."""
    with database.write() as connection:
        return assessments.open_one(connection, "Harbour", assessments.default_window(stored.NOW), "lin", stored.NOW).id


@pytest.fixture
def final(assess: Assess, database: Database) -> str:
    """The id of an assessment with a final report."""
    identity = opened(database)
    stored.answer(database, identity)
    assert "SHA-256" in assess("report", "--final", "--with-open", stored.WHY, "--no-pdf", "--out", "out").stdout
    return identity


def test_a_draft_is_written_with_empty_fields_but_not_frozen(
    assess: Assess, database: Database, tmp_path: Path
) -> None:
    opened(database)
    assert "Wrote the draft of assessment 2026-1" in assess("report", "--no-pdf").stdout
    assert (tmp_path / "assessment-2026-1" / "report.zh.html").is_file()
    result = assess("report", "--final", "--no-pdf")
    assert isinstance(result.exception, CaseError)
    assert "required fields are empty" in str(result.exception)


def test_open_hazards_and_triggers_need_a_reason(assess: Assess, database: Database, tmp_path: Path) -> None:
    identity = opened(database)
    stored.answer(database, identity)
    refused = assess("report", "--final", "--no-pdf")
    assert isinstance(refused.exception, CaseError)
    assert "--with-open" in str(refused.exception)
    assert re.findall("warning: (Hazard|Trigger) ", refused.stderr) == ["Hazard", "Trigger"]
    assert assess("report", "--final", "--with-open", " ", "--no-pdf").exit_code != 0
    assert assess("report", "--final", "--with-open", stored.WHY, "--no-pdf").exit_code == 0
    for language, head in (("zh", "定稿时尚未了结"), ("en", "Open when the report became final")):
        page = (tmp_path / f"assessment-{identity}" / f"report.{language}.html").read_text("utf-8")
        assert head in page
        assert stored.WHY in page


@pytest.mark.parametrize(("text", "warned"), [("符合。", True), ("不符合。", False)])
def test_a_conclusion_that_open_hazards_contradict_is_named(
    assess: Assess, database: Database, text: str, warned: bool
) -> None:
    identity = opened(database)
    stored.answer(database, identity)
    with database.write() as connection:
        forms.answer(connection, identity, {"conclusion": text}, "lea", stored.NOW)
    assert ("article 6" in assess("report", "--final", "--no-pdf").stderr) == warned


def test_a_final_report_becomes_a_bundle_that_verifies(
    assess: Assess, final: str, tmp_path: Path, database: Database
) -> None:
    assert assess("key").exit_code == 0
    assert assess("bundle", "--no-pdf", "--out", "it.zip").stdout == "Wrote it.zip.\n"
    result = assess("verify", "it.zip", "--public-key", "assessment.key.pub", "--audit-log")
    assert (result.exit_code, "fault" in result.stdout) == (0, False)
    assert "The audit log of this store has line" in result.stdout
    assert (tmp_path / "it.zip").stat().st_mode & private_files.OTHERS == 0, "it may hold clips"
    files = bundle.unpack((tmp_path / "it.zip").read_bytes(), "it")
    assert files["report.en.html"] == (tmp_path / "out" / "report.en.html").read_bytes()
    with database.read() as connection:
        assert audit_log.about(connection, "assessment.bundle", final) is not None
    assert assess("verify", final).exit_code == 0


def test_files_are_attached_listed_and_detached(assess: Assess, database: Database, tmp_path: Path) -> None:
    identity = opened(database)
    for name in ("chart.pdf", "rules.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-1.7")
    line = f"{canonical_json.digest(b'%PDF-1.7')}  5(1)  chart.pdf\n"
    assert assess("attach", "5.1", "chart.pdf").stdout == line
    assert assess("attach", "5(4)", "rules.pdf", "--assessment", identity).exit_code == 0
    assert assess("detach", "rules.pdf").exit_code == 0
    assert assess("attachments", identity).stdout == line
    (tmp_path / "large.pdf").write_bytes(b"%PDF-".ljust(attachments.MAX_BYTES + 2))
    assert str(assess("attach", "5.1", "large.pdf").exception).startswith("large.pdf has more than 10 MiB.")
    assert "cannot be read" in str(assess("attach", "5.1", "none.pdf").exception)
    assert "no item 6.1" in str(assess("attach", "6.1", "rules.pdf").exception)


@pytest.mark.parametrize("guide", ["assessment-guide.md", "assessment-guide.zh.md"])
def test_the_guide_verifies_the_bundle_as_printed(
    assess: Assess, final: str, tmp_path: Path, guide: str, request: pytest.FixtureRequest
) -> None:
    text = (request.config.rootpath / "docs" / guide).read_text("utf-8")
    [folder] = re.findall(r"^    data_dir: (\S+)", text, re.MULTILINE)
    [verifying] = re.findall(r"^    voxwarden assess (verify \S+ --public-key \S+)", text, re.MULTILINE)
    assert assess("key", "--key", f"{folder}/assessment.key").exit_code == 0
    assert assess("bundle", final, "--no-pdf", "--key", f"{folder}/assessment.key").exit_code == 0
    assert assess(*verifying.split()).exit_code == 0


def test_tables_of_the_eu_need_an_option(assess: Assess, final: str, tmp_path: Path) -> None:
    assess("key")
    for options, there in (((), False), (("--dsa",), True)):
        assess("report", final, "--no-pdf", "--out", "again", *options)
        assert (tmp_path / "again" / "dsa" / "4_notices.csv").is_file() == there
        assess("bundle", final, "--no-pdf", "--out", "it.zip", *options)
        files = bundle.unpack((tmp_path / "it.zip").read_bytes(), "it")
        assert ("dsa/4_notices.csv" in files) == there
        assert "fault" not in assess("verify", "it.zip").stdout


def test_a_fault_gives_exit_code_1(assess: Assess, final: str, tmp_path: Path) -> None:
    assess("key")
    assess("bundle", final, "--no-pdf", "--out", "it.zip")
    data = bytearray((tmp_path / "it.zip").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "it.zip").write_bytes(data)
    result = assess("verify", "it.zip")
    assert (result.exit_code, "fault" in result.stdout) == (1, True)


def test_a_bundle_signed_with_an_unknown_key_is_unverified(assess: Assess, final: str) -> None:
    assess("key", "--key", "stranger.key")
    assess("bundle", final, "--no-pdf", "--out", "it.zip", "--key", "stranger.key")
    result = assess("verify", "it.zip")
    assert (result.exit_code, "unverified" in result.stdout) == (5, True)
    assess("key")
    assert assess("verify", "it.zip", "--public-key", "assessment.key.pub").exit_code == 1


def test_a_report_is_final_once(assess: Assess, final: str) -> None:
    result = assess("report", final, "--final", "--no-pdf")
    assert isinstance(result.exception, CaseError)


def test_mistakes_have_remedies(assess: Assess, database: Database) -> None:
    assert isinstance(assess("report", "--no-pdf").exception, Missing)
    opened(database)
    assert isinstance(assess("bundle").exception, ConfigError), "no key"
    assert isinstance(assess("verify", "none.zip").exception, Missing)
    assert isinstance(assess("verify", ".").exception, InputError), "a folder"


def in_chinese(error: object) -> str:
    """Return an error as `voxwarden assess --lang zh` prints it."""
    context = copy_context()
    context.run(assess_commands.choose, "zh")
    return context.run(assess_commands.explained, error)


def test_errors_follow_the_language(assess: Assess, database: Database) -> None:
    def said(*command: str) -> str:
        error = assess("--lang", "zh", *command).exception
        assert isinstance(error, VoxwardenError)
        return in_chinese(error)

    assert said("report", "--no-pdf") == "尚无评估。请在控制台的“报告”页立项。"
    assert said("verify", "none.zip") == "没有编号为 none.zip 的评估。请在控制台的“报告”页立项。"
    assert said("verify", ".").startswith(". 是文件夹。")
    identity = opened(database)
    assert said("report", "--final", "--no-pdf").startswith("有 ")
    stored.answer(database, identity)
    assert said("report", "--final", "--no-pdf").startswith("尚有 1 项隐患、1 项触发情形未了结。")
    assert said("bundle").startswith("无法读取密钥 ")


@pytest.mark.parametrize("command", [("report",), ("bundle",), ("key",), ("verify", "it.zip")])
def test_a_missing_library_is_named(assess: Assess, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    error = assess(*command).exception
    assert isinstance(error, ConfigError)
    assert str(error) == f"cryptography is not installed. Install it: {install_extra('report')}."


def test_a_chinese_error_does_not_depend_on_the_english_words() -> None:
    reworded = Missing("Nothing was found", "Try again.", text="missing_assessment", id="2026-1")
    assert in_chinese(reworded) == "没有编号为 2026-1 的评估。请在控制台的“报告”页立项。"
    assert in_chinese(ConfigError("a.yaml: no key x", "Add it.")) == "a.yaml: no key x. Add it.", "it has no key"


def test_a_damaged_bundle_is_told_in_chinese(assess: Assess, database: Database, tmp_path: Path) -> None:
    (tmp_path / "it.zip").write_bytes(b"PK")
    assert "it.zip 已损坏：" in assess("--lang", "zh", "verify", "it.zip").stdout


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_each_error_has_a_chinese_text() -> None:
    own = {Path(str(module.__file__)) for module in RAISING}
    wrong = []
    for file in own.union(Path(str(pipeline.__file__)).parent.rglob("*.py")):
        for place, kind, text, values in raises([file]):
            keyed = text not in {getattr(errors, kind).text, "error.text"}
            chinese_text = chinese_errors().get(f"error.{text}") if keyed else None
            if (keyed or file in own) and (chinese_text is None or not places(chinese_text) <= values):
                wrong.append((place, text, values))
    assert not wrong, "give the error a `text` that assess_zh.yaml or the Chinese console.yaml has, and its values"


def texts(module: ModuleType) -> Iterator[str]:
    """Yield the texts that the module gives to one of SAYING; of Checked, the second argument."""
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING:
            for given in node.args[:2]:
                yield from (str(each.value) for each in ast.walk(given) if isinstance(each, ast.Constant))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_line_has_a_chinese_text(module: ModuleType) -> None:
    prose = {text for text in texts(module) if " " in text.strip()}
    assert prose - chinese().keys() == set()


def test_states_have_chinese_texts() -> None:
    assert {"flag", "decision", "action", "ok", "fault", "skipped", "unverified"} - chinese().keys() == set()
    assert set(verify.EXPLAINED.values()) - chinese().keys() == set()


def test_both_texts_have_the_same_places() -> None:
    said = {english: text for english, text in chinese().items() if not english.startswith("error.")}
    assert [english for english, text in said.items() if places(english) != places(text)] == []


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": ""}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_selects_the_language(variables: dict[str, str], found: str) -> None:
    assert of_environment(variables) == found


def test_a_chinese_reader_gets_chinese_lines(assess: Assess, final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "通过" in assess("--lang", "zh", "verify", final).stdout
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "审计日志未被改动" in assess("verify", final).stdout
    assert "The audit log is unchanged" in assess("--lang", "en", "verify", final).stdout
