"""`python -m training.classifier`: one command from data to folders that the judge takes."""

import re
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner, Result

from pipeline.base.errors import ConfigError
from pipeline.judge.classifier import load_classifier
from pipeline.learning.fine_tuning import Recipe
from pipeline.settings import JudgeSettings
from tests.training.classifier import tiny
from training.classifier import __main__ as command
from training.classifier import calibrate as calibration
from training.classifier import run, sounds
from training.classifier.run import generation
from training.classifier.sets import authored
from training.classifier.sounds import SoundsRecipe


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command.app, [*map(str, arguments)])


def train(*arguments: str | Path) -> tuple[int, str]:
    result = invoke(*arguments)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


@pytest.fixture(scope="module")
def few_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.examples(tmp_path_factory.mktemp("few"))


@pytest.fixture(autouse=True)
def small(few_lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few lines, and a small pinyin model."""
    monkeypatch.setattr(authored, "EXAMPLES", few_lines)
    monkeypatch.setattr(sounds, "SoundsRecipe", partial(SoundsRecipe, buckets=2**10))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, few_lines: Path) -> Path:
    out = tmp_path_factory.mktemp("encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authored, "EXAMPLES", few_lines)
        body = tiny.encoder(row.text for row in authored.spoken(out))
    body.model.save_pretrained(out)
    PreTrainedTokenizerFast(tokenizer_object=body.tokenizer).save_pretrained(out)
    return out


def test_a_training_writes_models_for_the_judge_after_each_run(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run learns from the first, whose model stays complete until the second can replace it as a whole."""
    out, before, teachers = tmp_path / "model", list[set[str]](), list[bool]()
    calibrate = calibration.calibrate

    def watched(number: int, *rest: Any) -> None:
        teachers.append(rest[-2] is not list)
        generation(number, *rest)

    def calibrated(new: Path, *rest: Any) -> Any:
        before.append(files(out))
        return calibrate(new, *rest)

    monkeypatch.setattr(run, "generation", watched)
    monkeypatch.setattr(run, "calibrate", calibrated)
    code, said = train("--data", tmp_path, "--encoder", encoder, "--only", "authored", "--samples", "96", "--out", out)
    assert code == 0
    assert "train: " in said
    assert "run 2 of 2" in said
    assert teachers == [False, True]
    first, second = before
    assert not first
    assert second >= WRITTEN
    assert files(out) >= WRITTEN
    assert {each.name for each in out.iterdir()} == {"onnx", "transformers"}
    judge = load_classifier(JudgeSettings(model=str(out / "onnx")))
    assert judge.classify(["hello"], ["en"])
    assert judge.context, "it was trained with the speech before the texts"


WRITTEN = {"model.onnx", "sounds.npz", "calibration.json", "thresholds.json"}


def files(out: Path) -> set[str]:
    return {file.name for file in (out / "onnx").glob("*")}


def test_the_options_have_the_defaults_of_the_recipe() -> None:
    """They are written twice, because the command's module must not import PyTorch, which takes seconds."""
    recipe = asdict(Recipe())
    options = {name: option.default for name, option in signature(command.train).parameters.items() if name in recipe}
    assert len(options) == 5
    assert options == {name: recipe[name] for name in options}


def test_the_options_reach_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(run, "run", lambda *arguments: calls.append(arguments))
    options: dict[str, Any] = {"seed": 7, "runs": 3, "samples": 5, "learning_rate": 0.25, "kept": 0.5}
    given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    folders = ("--data", tmp_path, "--out", tmp_path / "out", "--encoder", "start", "--teacher", "before")
    train(*folders, "--only", "authored", *given)
    [(*named, _)] = calls
    assert named == [tmp_path, tmp_path / "out", replace(Recipe(), **options), ["authored"], "start", "before"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], r"No training set at .*cold"),
        (["--without", "cold"], r"No training set at .*davidson"),
        (["--only", "hatecheck"], "No such set: hatecheck"),
        (["--without", "hatecheck"], "No such set: hatecheck"),
        (["--only", "authored", "--encoder", "nowhere/at all"], "No encoder at nowhere/at all"),
        (["--only", "authored", "--teacher", "nowhere"], r"--teacher: no model\.onnx in nowhere"),
    ],
)
def test_missing_inputs_are_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], named: str
) -> None:
    monkeypatch.setattr(run, "split", lambda _: pytest.fail("the sets were read first"))
    with pytest.raises(ConfigError, match=named):
        train("--data", tmp_path, "--out", tmp_path / "out", *arguments)


def test_a_missing_set_is_named_without_pytorch(tmp_path: Path) -> None:
    """Importing PyTorch takes seconds."""
    code = (
        "import sys; from training.classifier.__main__ import app; from typer.testing import CliRunner; "
        f"done = CliRunner().invoke(app, ['--data', {str(tmp_path)!r}, '--out', {str(tmp_path)!r}]); "
        "print(done.exception, 'torch' in sys.modules, 'transformers' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.search(r"No training set at .*cold", shown.stdout)
    assert shown.stdout.strip().endswith("False False")


def test_a_stop_says_in_a_line_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", stopped)
    ended = train("--data", tmp_path, "--only", "authored", "--out", tmp_path / "model")
    assert ended == (130, "stopped; the same command goes on from the last checkpoint\n")
