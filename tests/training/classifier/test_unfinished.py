"""A training that is killed goes on to the same files, to the last bit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from pipeline.base.errors import ConfigError
from pipeline.learning import fine_tuning
from pipeline.learning.fine_tuning import Recipe
from pipeline.learning.training_rows import CLEAN, Row, positive
from tests.training.classifier import tiny
from training.classifier import noise, run, sounds, unfinished
from training.classifier.sets import authored
from training.classifier.sounds import SoundsRecipe

RECIPE = Recipe(samples=1_200, batch=4, learning_rate=5e-3, warm_up=10, kept=0.25)
"""300 steps. The stream of texts has 6 chunks."""


def train(parent: Connection, lines: Path, encoder: Path, out: Path) -> None:
    """The training of a process. A step takes a minute of its clock. After each line it waits for `parent`."""
    authored.EXAMPLES = lines
    noise.round_trips = dict  # type: ignore[assignment]
    sounds.SoundsRecipe = partial(SoundsRecipe, buckets=2**10)  # type: ignore[assignment,misc]
    fine_tuning.REPORT_EVERY = 7

    def say(line: str) -> None:
        parent.send(line)
        parent.recv()

    run.run(lines, out, RECIPE, ["authored"], str(encoder), None, say, count(0, 60).__next__)


def lines_until(killed_at: str, *folders: Path) -> list[str]:
    """The lines of a process. It is killed when it says a line that begins with `killed_at`."""
    context = get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=train, args=(its, *folders))
    process.start()
    its.close()
    lines: list[str] = []
    while not lines or not lines[-1].startswith(killed_at):
        try:
            lines.append(ours.recv())
        except EOFError:
            break
        ours.send(None)
    else:
        process.kill()
    process.join()
    return lines


def files(out: Path) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def losses(lines: Sequence[str]) -> list[str]:
    """The lines of steps without their speed."""
    return [line.rpartition(",")[0] for line in lines if line.startswith("step ")]


@pytest.mark.timeout(600)
def test_a_killed_training_goes_on_to_the_same_files(tmp_path: Path) -> None:
    lines = tiny.examples(tmp_path / "lines")
    texts = [line.strip("- ") for path in lines.rglob("*.yaml") for line in path.read_text().splitlines()]
    encoder = tmp_path / "encoder"
    body = tiny.encoder(texts)
    body.model.save_pretrained(encoder)
    PreTrainedTokenizerFast(tokenizer_object=body.tokenizer).save_pretrained(encoder)
    out, other = tmp_path / "out", tmp_path / "other"

    said = lines_until("never", lines, encoder, other)
    expected = files(other)
    assert Path("onnx/model.onnx") in expected

    assert lines_until("step 161 of", lines, encoder, out)[-2].startswith("step 154 of")
    in_first = lines_until("thresholds of", lines, encoder, out)
    assert "goes on after step 160 of 300" in in_first
    assert not files(out / "onnx")
    in_second = lines_until("step 259 of", lines, encoder, out)
    assert "goes on after step 300 of 300" in in_second
    last = lines_until("never", lines, encoder, out)
    assert "goes on after step 250 of 300" in last
    assert not [line for line in last if line.startswith("sounds: round")]

    assert files(out) == expected
    of_run = len(losses(said)) // 2
    assert losses(in_first)[0].startswith("step 161 of")
    assert losses(in_first) == losses(said)[of_run - len(losses(in_first)) : of_run]
    assert losses(last) == losses(said)[-len(losses(last)) :]


def begin(
    out: Path,
    recipe: Recipe = RECIPE,
    text: str = "hello",
    labels: Mapping[str, float] = CLEAN,
    encoder: str = "a/b@c",
) -> Path:
    sides = {"train": [Row(text, "en", labels)]}
    return unfinished.begin(out, unfinished.inputs(recipe, sides, encoder, None))  # type: ignore[arg-type]


def test_other_inputs_are_refused_and_the_training_stays(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    (folder / "1").mkdir()
    others = {
        "recipe": partial(begin, recipe=replace(RECIPE, seed=2)),
        "texts": partial(begin, text="bye"),
        "encoder": partial(begin, encoder="a/b@d"),
        "recipe, texts": partial(begin, recipe=Recipe(), labels=positive("abuse")),
    }
    for name, other in others.items():
        with pytest.raises(ConfigError, match=rf"{folder} has other inputs: {name}\. .*remove the folder"):
            other(tmp_path)
    assert (begin(tmp_path, labels=dict(reversed([*CLEAN.items()]))) / "1").is_dir()


def test_a_folder_counts_with_the_content_of_all_its_files(tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    (encoder / "deep").mkdir(parents=True)
    (encoder / "deep" / "weights").write_text("old")
    begin(tmp_path, encoder=str(encoder))
    moved = encoder.rename(tmp_path / "moved")
    begin(tmp_path, encoder=str(moved))
    (moved / "deep" / "weights").write_text("new")
    with pytest.raises(ConfigError, match="encoder"):
        begin(tmp_path, encoder=str(moved))


def test_the_end_that_was_stopped_leaves_nothing_for_the_next_training(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    (folder / "1").mkdir()
    (folder / unfinished.INPUTS).unlink()
    assert [path.name for path in begin(tmp_path).iterdir()] == [unfinished.INPUTS]
    unfinished.end(folder)
    assert not [*tmp_path.iterdir()]
