"""A team of five teaches the judge a coded insult: they train, let the model run as a shadow, and fit thresholds."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from agents.commands import train as command
from agents.commands.command_line import app
from pipeline.base.metrics import Metrics
from pipeline.judge.classifier import load_model
from pipeline.judge.judge_stage import build
from pipeline.judge.text_transcripts import Text, judge_texts
from pipeline.learning import decided_cases, decision_training, model_card, model_export
from pipeline.learning.fine_tuning import Recipe
from pipeline.learning.training_rows import CLEAN, OUTPUTS, Row, positive
from pipeline.review import audit_log
from pipeline.review.database import Database
from pipeline.review.quality import quality_checks
from pipeline.review.tables.core import CASES
from pipeline.settings import JudgeSettings, Settings
from tests.builders import NOON
from tests.pipeline.learning import team
from tests.pipeline.learning.team import Said
from tests.training.classifier import tiny
from training.classifier.train import train

pytestmark = pytest.mark.full  # whole trainings

POLICY = "name: small\nevery: {review: 0.8}\nrisk: {review: 0.9}\n"
RULES = ["--set", "judge.lexicons=[]"]
KEEP = "{audio_days: 0, case_days: 100000}"
STAY = ["--set", f"retention.upheld={KEEP}", "--set", f"retention.dismissed={KEEP}"]
"""The team decided in 2026. The cases stay in the store for longer than the project will last."""


def lines(kind: str, word: str, count: int) -> list[str]:
    """Lines of unlike words, with one word in the middle."""
    found = [sha256(f"{kind} {at}".encode()).hexdigest() for at in range(count)]
    return [f"{one[:4]} {one[4:8]} {word} {one[8:12]} {one[12:16]}" for one in found]


PLAIN, CODED, HARMLESS = lines("plain", "idiot", 60), lines("coded", "glorp", 70), lines("fine", "lovely", 130)
MISTAKEN = lines("mistaken", "fun", 15)
"""Harmless lines that the policy flagged."""
FRESH = lines("fresh", "glorp", 20)


@pytest.fixture(scope="module")
def present(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the plain insult, and takes the coded one for a harmless word.

    With a higher rate, both harmless words end at one point, and a short training cannot part them again.
    """
    out = tmp_path_factory.mktemp("present")
    rows = [Row(text, "en", positive("abuse"), "made") for text in lines("learnt", "idiot", 60)]
    for word in ("lovely", "glorp"):
        rows += [Row(text, "en", CLEAN, "made") for text in lines("learnt too", word, 30)]
    encoder = tiny.encoder([*PLAIN, *CODED, *MISTAKEN, *HARMLESS, *FRESH, *(row.text for row in rows)])
    recipe = Recipe(samples=2_000, batch=16, learning_rate=2e-3, warm_up=10)
    model_export.save_transformers(out / "transformers", *train(rows, encoder, recipe, print))
    model_export.convert_to_onnx(out / "transformers", out / "onnx")
    (out / "README.md").write_text("The card of the small model.")
    return out / "onnx"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the decisions of five people, and golden cases of both kinds."""
    home = tmp_path_factory.mktemp("home")
    speech = [Said(text, "abuse", "review", ("abuse",)) for text in (*PLAIN, *CODED)]
    speech += [Said(text, "", "review", ("abuse",)) for text in MISTAKEN] + [Said(text) for text in HARMLESS]
    speech.sort(key=lambda said: sha256(said.text.encode()).digest())
    speech = [replace(said, answers=at % 8 == 7) for at, said in enumerate(speech)]
    with closing(Database(Settings(data_dir=home).database_url)) as database:
        team.hire(database)
        team.work(database, speech, 0.9)
        with database.write() as connection:
            decided = [each.example for each in decided_cases.decided_since(connection, 0.0)]
            for word, verdict in (("glorp", "uphold"), ("fun", "dismiss")):
                for each in [one for one in decided if word in one.text][:12]:
                    quality_checks.mark_golden(connection, each.group, team.TEAM[0], verdict, NOON)  # type: ignore[arg-type]
    (home / "small.yaml").write_text(POLICY)
    return home


def run(home: Path, model: Path, *arguments: str) -> Result:
    chosen = [f"data_dir={home}", f"judge.model={model}", f"judge.policy={home / 'small.yaml'}"]
    return CliRunner().invoke(app, [*(part for one in chosen for part in ("--set", one)), *RULES, *STAY, *arguments])


@pytest.fixture(scope="module")
def learnt(home: Path, present: Path) -> Iterator[tuple[Result, Path]]:
    """The result of the training, and its folder. A small model needs a higher rate than a real one."""
    faster = partial(decision_training.Continued, learning_rate=5e-3, kept=0.0, batch=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision_training, "Continued", faster)
        patch.setattr(decision_training, "PASSES", 10)
        patch.setattr(command, "TAUGHT", 100)
        yield run(home, present, "train", "--decisions", "--out", str(home / "model")), home / "model"


def test_the_new_model_knows_the_coded_insult(learnt: tuple[Result, Path], present: Path) -> None:
    ran, out = learnt
    assert ran.exit_code == 0, ran.output
    old, new = (load_model(str(one)).probabilities(FRESH) for one in (present, out / "onnx"))
    risk = OUTPUTS.index("risk")
    assert np.mean(new[:, risk]) > 0.8
    assert np.mean(new[:, risk]) > np.mean(old[:, risk]) + 0.2
    assert load_model(str(out / "onnx")).context, "it reads context, as the present model does"
    assert re.search(r"cases teach, [1-9]\d* of them also in context, ", ran.stderr)
    assert "recall: risk (all)" in ran.stdout
    assert "Golden cases" in ran.stdout


def test_the_folder_has_a_card_and_no_texts(learnt: tuple[Result, Path], home: Path) -> None:
    _, out = learnt
    written = (out / "README.md").read_text() + (out / "cases.txt").read_text()
    assert "### Golden cases\n\n| what |" in written
    assert "24 golden cases are only a test" in written
    assert (out / "BASE.md").read_text() == "The card of the small model."
    assert not any(text in written for text in (*PLAIN, *CODED, *MISTAKEN, *HARMLESS))
    with closing(Database(Settings(data_dir=home).database_url)) as database, database.read() as connection:
        cases = [each.example for each in decided_cases.decided_since(connection, 0.0)]
        assert next(one.action for one in audit_log.newest_lines(connection)) == "train.decisions"
        known = {model_card.hashed(case) for case in connection.scalars(select(CASES.c.id))}
    used = {*(out / "cases.txt").read_text().split()}
    assert len(used) > 100
    assert used <= known
    assert used.isdisjoint(model_card.hashed(each.group) for each in cases if each.golden)


def test_the_new_model_runs_as_a_shadow(learnt: tuple[Result, Path], home: Path, present: Path) -> None:
    _, out = learnt
    metrics = Metrics()
    chosen = JudgeSettings(
        model=str(present), shadow_model=str(out / "onnx"), policy=str(home / "small.yaml"), lexicons=()
    )
    judge = build(Settings(judge=chosen), metrics)
    flags = judge_texts(judge, [Text(text, "en") for text in FRESH])
    name = f"{flags[0].policy} {load_model(str(out / 'onnx')).name}"

    def counted(suggestion: str, agrees: str) -> float:
        labels = {"policy": name, "suggestion": suggestion, "agrees": agrees}
        return metrics.registry.get_sample_value("voxwarden_shadow_flags_total", labels) or 0.0

    missed = sum(flag.suggestion == "pass" for flag in flags)
    assert missed > 0
    assert counted("review", "no") > missed / 2
    assert sum(counted(kind, agrees) for kind in ("pass", "review") for agrees in ("yes", "no")) == len(FRESH)


def test_thresholds_are_fitted_for_the_new_model(learnt: tuple[Result, Path], home: Path) -> None:
    _, out = learnt
    ran = run(home, out / "onnx", "policy", "fit", "--alarms-per-1000", "10", "--out", str(home / "fitted.yaml"))
    assert ran.exit_code == 0, ran.output
    assert "fitted@" in run(home, out / "onnx", "policy", "check", str(home / "fitted.yaml")).stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_says_so_and_leaves_nothing(
    home: Path, present: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def stopped(*given: object) -> None:
        out = given[4]
        assert isinstance(out, Path)
        out.mkdir()
        (out / "model.onnx").touch()
        assert not (tmp_path / "half").exists()
        os.kill(os.getpid(), number)
        signal.pause()

    monkeypatch.setattr(decision_training, "train_on_decisions", stopped)
    monkeypatch.setattr(command, "TAUGHT", 100)
    ran = run(home, present, "train", "--decisions", "--out", str(tmp_path / "half"))
    assert ran.exit_code == 130
    assert ran.stderr.endswith(f"stopped; {tmp_path / 'half'} was not made\n")
    assert [*tmp_path.iterdir()] == []


def test_too_few_cases_are_named(home: Path, present: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "TAUGHT", 10_000)
    for since, words in (
        ([], r"There are too few cases to learn from: 9\d{3} decided are missing\. \d\d others are only a test, .*"),
        (
            ["--since", "2030-01-01"],
            r".*: 10000 decided, 40 upheld, 40 dismissed are missing\. 0 others are only a test, .*",
        ),
    ):
        ran = run(home, present, "train", "--decisions", *since, "--out", str(tmp_path / "new"))
        assert re.fullmatch(words, str(ran.exception))
    assert not (tmp_path / "new").exists()


def test_cases_whose_time_is_over_do_not_teach(home: Path, present: Path, tmp_path: Path) -> None:
    """The retention job has not run yet. Only the cases with a label of their own stay."""
    own = "retention.labels={abuse: {upheld: {audio_days: 0, case_days: 1}, dismissed: {audio_days: 0, case_days: 1}}}"
    ran = run(home, present, "--set", own, "train", "--decisions", "--out", str(tmp_path / "new"))
    assert re.search(r" 40 upheld are missing.* the time of [1-9]\d+ is over \(retention\)", str(ran.exception))


def test_mistakes_are_named(home: Path, present: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = str(tmp_path / "new")
    assert "Add --decisions" in str(run(home, present, "train", "--out", out).exception)
    assert "exists" in str(run(home, present, "train", "--decisions", "--out", str(tmp_path)).exception)
    assert "cannot be made" in str(run(home, present, "train", "--decisions", "--out", f"{out}/under").exception)
    assert "no model.onnx" in str(run(home, tmp_path, "train", "--decisions", "--out", out).exception).lower()
    monkeypatch.setattr(command, "NEEDED", ("torch", "absent"))
    assert "needs absent. Install it: pip" in str(run(home, present, "train", "--decisions", "--out", out).exception)
    assert not [*tmp_path.iterdir()]


def test_a_model_with_other_labels_is_named(home: Path, present: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(present, other)
    config = (other / "config.json").read_text()
    (other / "config.json").write_text(config.replace('"abuse"', '"insult"'))
    ran = run(home, other, "train", "--decisions", "--out", str(tmp_path / "new"))
    assert "other labels than" in str(ran.exception)
    assert not (tmp_path / "new").exists()
