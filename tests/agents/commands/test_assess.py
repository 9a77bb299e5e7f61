"""`voxwarden assess`: from the opening to a bundle that verifies."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.assessment.report import bundle
from pipeline.base.errors import CaseError, ConfigError, InputError, Missing
from pipeline.review import audit_log
from pipeline.review.database import Database
from tests.pipeline.assessment.report import stored
from tests.pipeline.review import people

Assess = Callable[..., Result]


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


@pytest.fixture
def final(assess: Assess, database: Database) -> str:
    """The id of an assessment with a final report."""
    identity = assess("open", "Harbour").stdout.strip()
    stored.answer(database, identity)
    assert "SHA-256" in assess("report", "--final", "--no-pdf", "--out", "out").stdout
    return identity


def test_an_assessment_is_opened_listed_and_shown(assess: Assess) -> None:
    assert assess("open", "Harbour").stdout == "2026-1\n"
    assert assess("open", "Harbour", "--since", "2025-12-31", "--until", "2026-01-02").stdout == "2026-2\n"
    assert assess("list").stdout.splitlines()[0] == "2026-2  draft  2025-12-31 to 2026-01-02  Harbour"
    shown = assess("status", "2026-1").stdout
    assert "Window 2025-10-05 12:00 to 2026-01-03 12:00 UTC" in shown
    assert "  empty: subject_kind (1, Kind of subject)" in shown


def test_a_draft_is_written_with_empty_fields_but_not_frozen(assess: Assess, tmp_path: Path) -> None:
    assess("open", "Harbour")
    assert "Wrote the draft of assessment 2026-1" in assess("report", "--no-pdf").stdout
    assert (tmp_path / "assessment-2026-1" / "report.zh.html").is_file()
    result = assess("report", "--final", "--no-pdf")
    assert isinstance(result.exception, CaseError)
    assert "required fields are empty" in str(result.exception)


def test_a_final_report_becomes_a_bundle_that_verifies(
    assess: Assess, final: str, tmp_path: Path, database: Database
) -> None:
    assert assess("key").exit_code == 0
    assert assess("bundle", "--no-pdf", "--out", "it.zip").stdout == "Wrote it.zip.\n"
    result = assess("verify", "it.zip", "--public-key", "assessment.key.pub", "--audit-log")
    assert (result.exit_code, "fault" in result.stdout) == (0, False)
    assert "The audit log of this store has line" in result.stdout
    files = bundle.unpack((tmp_path / "it.zip").read_bytes(), "it")
    assert files["report.en.html"] == (tmp_path / "out" / "report.en.html").read_bytes()
    with database.read() as connection:
        assert audit_log.about(connection, "assessment.bundle", final) is not None
    assert assess("verify", final).exit_code == 0


def test_a_fault_gives_exit_code_1(assess: Assess, final: str, tmp_path: Path) -> None:
    assess("key")
    assess("bundle", final, "--no-pdf", "--out", "it.zip")
    data = bytearray((tmp_path / "it.zip").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "it.zip").write_bytes(data)
    result = assess("verify", "it.zip")
    assert (result.exit_code, "fault" in result.stdout) == (1, True)


def test_a_report_is_final_once(assess: Assess, final: str) -> None:
    result = assess("report", final, "--final", "--no-pdf")
    assert isinstance(result.exception, CaseError)


def test_mistakes_have_remedies(assess: Assess) -> None:
    assert isinstance(assess("status").exception, Missing)
    assert isinstance(assess("open", "Harbour", "--since", "soon").exception, InputError)
    assess("open", "Harbour")
    assert isinstance(assess("bundle").exception, ConfigError), "no key"
    assert isinstance(assess("verify", "none.zip").exception, Missing)
    assert isinstance(assess("verify", ".").exception, InputError), "a folder"


@pytest.mark.parametrize("command", [("report",), ("bundle",), ("key",), ("verify", "it.zip")])
def test_a_missing_library_is_named(assess: Assess, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    error = assess(*command).exception
    assert isinstance(error, ConfigError)
    assert str(error) == "cryptography is not installed. Install it: pip install 'voxwarden[report]'."
