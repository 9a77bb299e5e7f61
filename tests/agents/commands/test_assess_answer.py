"""`voxwarden assess answer`: the template, its import, and what is missing."""

from pathlib import Path

from pipeline.assessment import forms
from pipeline.base.errors import InputError, Missing
from pipeline.review.database import Database
from tests.agents.commands.conftest import Assess


def test_the_template_is_filled_in_and_read_back(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    identity = assess_at("open", "Harbour").stdout.strip()
    template = assess_at("answer", "--template").stdout
    assert "# [5(1)] Safety officer (required)" in template
    before = int(assess_at("answer").stdout.splitlines()[-1].split()[0])
    file = tmp_path / "answers.yaml"
    file.write_text(template.replace("\nofficer:\n", "\nofficer: Li, safety officer\n"), encoding="utf-8")
    said = assess_at("answer", identity, "--file", str(file), "--by", "lin").stdout
    assert said.splitlines()[0] == "1 answers changed."
    assert said.splitlines()[-1] == f"{before - 1} required fields of assessment {identity} are empty."
    with duties.read() as connection:
        ((_, author, text),) = forms.history(connection, identity, "officer")
    assert (author, text) == ("lin", "Li, safety officer")


def test_a_wrong_answer_and_a_missing_assessment_are_told(assess_at: Assess, duties: Database, tmp_path: Path) -> None:
    assert isinstance(assess_at("answer").exception, Missing)
    assess_at("open", "Harbour")
    file = tmp_path / "answers.yaml"
    file.write_text("officers: Li\n", encoding="utf-8")
    result = assess_at("answer", "--file", str(file))
    assert isinstance(result.exception, InputError)
    assert "no field officers" in str(result.exception)
