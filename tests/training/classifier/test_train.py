"""Missing annotations have no effect, noise repeats, splits do not leak, and a run writes a loadable model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from pipeline.judge.classifier import load_classifier
from pipeline.learning import model_export, starting_model
from pipeline.learning.fine_tuning import Recipe
from pipeline.learning.training_rows import CLEAN, OUTPUTS, Row, negative, part_of, positive
from pipeline.settings import JudgeSettings
from tests.training.classifier import tiny
from training.classifier.sides import split
from training.classifier.train import train

ROWS = [
    *(Row(f"you are a stupid idiot number {n}", "en", positive("abuse"), source="made") for n in range(40)),
    *(Row(f"今天第{n}天天气很好我们去公园", "zh", CLEAN, source="made") for n in range(40)),
    *(
        Row(f"buy followers cheap offer {n}", "en", positive("ads_spam") | negative("abuse"), source="made")
        for n in range(40)
    ),
]
TEXTS = [row.text for row in ROWS]
RECIPE = Recipe(samples=2_000, batch=16, learning_rate=5e-3, warm_up=10)


def test_the_sides_of_the_split_are_disjoint() -> None:
    sides = split([*ROWS, *ROWS])
    texts = [row.text for side in sides.values() for row in side]
    assert len(texts) == len(set(texts))
    assert sides["train"]
    for part, rows in sides.items():
        assert {part_of(row) for row in rows} <= {part}


def test_the_two_lines_of_a_pair_stay_though_they_are_close_and_no_copy_does() -> None:
    risky, clean = "i will find out where you live tonight mate", "i will find out where you live tonight, mate, ok"
    pair = [Row(risky, "en", positive("violence"), group="pair"), Row(clean, "en", CLEAN, group="pair")]
    copies = [Row(risky, "en", positive("violence"), group="other"), Row(clean, "en", CLEAN)]
    twice = [
        Row(f"{text}!", "en", CLEAN, group="a pattern") for text in ("we all like tea here", "We all like tea here")
    ]
    rows = [replace(row, part="train") for row in (*pair, *copies, *twice)]
    assert [row.text for row in split(rows)["train"]] == [risky, clean, "we all like tea here"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run writes."""
    out = tmp_path_factory.mktemp("trained")
    model_export.save_transformers(out, *train(ROWS, tiny.encoder(TEXTS), RECIPE, print))
    return out


def test_a_run_writes_a_model_that_the_judge_loads(trained: Path) -> None:
    classifier = load_classifier(JudgeSettings(model=str(trained)))
    insult, weather = classifier.classify(["you are a stupid idiot", "今天天气很好"], ["en", "zh"])
    assert insult["abuse"] > 0.5 > weather["abuse"]


def test_the_saved_tokenizer_does_not_truncate(trained: Path) -> None:
    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    assert len(tokenizer.encode("no " * (2 * RECIPE.max_tokens)).ids) > 2 * RECIPE.max_tokens


def test_the_kept_share_of_the_weights_is_mixed_in() -> None:
    """With a share of half, each weight ends in the middle."""

    def ended(share: float) -> torch.Tensor:
        recipe = replace(RECIPE, samples=64, kept=share)
        model, _ = train(ROWS, tiny.encoder(TEXTS), recipe, print)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    trained, midway, begun = map(ended, (0.0, 0.5, 1.0))
    assert (trained - begun).abs().max() > 1e-3
    torch.testing.assert_close(midway, (trained + begun) / 2)


def test_a_written_model_can_be_trained_further(trained: Path) -> None:
    """It starts with the weights and the head of the first run, not with a new head."""
    before = starting_model.load_encoder(str(trained))
    model, tokenizer = train(ROWS, before, replace(RECIPE, samples=16, learning_rate=1e-6), print)
    batch = tokenizer(TEXTS[:40], padding=True, return_tensors="pt")
    with torch.inference_mode():
        abuse = model(batch["input_ids"], batch["attention_mask"]).logits[:, OUTPUTS.index("abuse")]
    assert (abuse > 0).all()


def test_the_same_seed_trains_the_same_model() -> None:
    recipe = replace(RECIPE, samples=64)
    one, same = (parameters(recipe) for _ in range(2))
    other = parameters(replace(recipe, seed=2))
    assert torch.equal(one, same)
    assert (one - other).abs().max() > 1e-2


def parameters(recipe: Recipe) -> torch.Tensor:
    model, _ = train(ROWS, tiny.encoder(TEXTS), recipe, print)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe(samples=3_200, batch=32, warm_up=10)
    assert [recipe.slope(done) for done in (4, 50, 100)] == [pytest.approx(0.5), 0.5, 0]
