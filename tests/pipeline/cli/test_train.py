"""`voxwarden train`: one command from data to folders that the judge takes."""

from dataclasses import asdict, replace
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast
from typer.testing import CliRunner

from pipeline.cli import train as command
from pipeline.cli.app import app
from pipeline.errors import ConfigError
from pipeline.judge.classifier import load
from pipeline.judge.training import run
from pipeline.judge.training.run import generation
from pipeline.judge.training.sets import authored
from pipeline.judge.training.train import Recipe
from pipeline.settings import Judge
from tests.pipeline.judge.training import tiny


def train(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stderr


@pytest.fixture(scope="module")
def few_lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.examples(tmp_path_factory.mktemp("few"))


@pytest.fixture(autouse=True)
def only_few_lines(few_lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authored, "EXAMPLES", few_lines)


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    body = tiny.encoder(row.text for row in authored.spoken(tmp_path))
    body.model.save_pretrained(tmp_path / "encoder")
    PreTrainedTokenizerFast(tokenizer_object=body.tokenizer).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_it_writes_a_model_for_the_judge_and_one_to_train_further(tmp_path: Path, encoder: Path) -> None:
    out = tmp_path / "out"
    code, said = train("--data", tmp_path, "--out", out, "--encoder", encoder, "--only", "authored", "--samples", "96")
    assert code == 0
    assert "texts to train" in said
    assert "run 2 of 2" in said
    assert {file.name for file in (out / "onnx").iterdir()} >= {"model.onnx", "calibration.json", "thresholds.json"}
    for kind in ("onnx", "transformers"):
        assert load(Judge(model=str(out / kind))).classify(["hello"], ["en"])


def test_a_model_can_have_an_earlier_one_for_a_teacher(tmp_path: Path, encoder: Path) -> None:
    shared = ("--data", tmp_path, "--encoder", encoder, "--only", "authored", "--samples", "96", "--runs", "1")
    _, alone = train(*shared, "--out", tmp_path / "first")
    _, taught = train(*shared, "--out", tmp_path / "second", "--teacher", tmp_path / "first" / "onnx")
    assert "the teacher reads: 0 of" in taught
    assert "teacher" not in alone


def test_what_ends_in_the_second_run_leaves_the_whole_first(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_only(number: int, *rest: Any) -> None:
        if number:
            raise ConfigError("over", "Allow it more.")
        generation(number, *rest)

    monkeypatch.setattr(run, "generation", first_only)
    shared = ("--data", tmp_path, "--encoder", encoder, "--only", "authored", "--samples", "96")
    with pytest.raises(ConfigError, match="over"):
        train(*shared, "--out", tmp_path / "out")
    left = {file.name for file in (tmp_path / "out" / "onnx").iterdir()}
    assert left >= {"model.onnx", "sounds.npz", "calibration.json", "thresholds.json"}


def test_its_defaults_are_those_of_the_recipe() -> None:
    """They stand twice: the command's own module does without PyTorch, which takes seconds to import."""
    recipe = asdict(Recipe())
    options = {name: option.default for name, option in signature(command.train).parameters.items() if name in recipe}
    assert len(options) == 6
    assert options == {name: recipe[name] for name in options}


def test_its_options_reach_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes: list[Recipe] = []
    monkeypatch.setattr(run, "run", lambda _data, _out, recipe, *_: recipes.append(recipe))
    options: dict[str, Any] = {"seed": 7, "runs": 3, "samples": 5, "minutes": 9.0, "learning_rate": 0.25, "kept": 0.5}
    given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    train("--data", tmp_path, "--out", tmp_path / "out", *given)
    assert recipes == [replace(Recipe(), **options)]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], r"No training set at .*cold"),
        (["--only", "hatecheck"], "No such set: hatecheck"),
        (["--only", "authored", "--encoder", "nowhere/at all"], "No encoder at nowhere/at all"),
        (["--only", "authored", "--teacher", "nowhere"], r"--teacher: no model\.onnx in nowhere"),
    ],
)
def test_what_is_not_there_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], named: str
) -> None:
    monkeypatch.setattr(run, "split", lambda _: pytest.fail("the sets were read first"))
    with pytest.raises(ConfigError, match=named):
        train("--data", tmp_path, "--out", tmp_path / "out", *arguments)
