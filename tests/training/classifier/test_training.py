"""Missing annotations have no effect, noise repeats, splits do not leak, and a run writes a loadable model."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from pipeline.errors import ConfigError
from pipeline.judge.classifier import load, load_model
from pipeline.settings import JudgeSettings
from tests.training.classifier import tiny
from training.classifier import encoder, figures, folder, sets
from training.classifier.batches import batches, masked_loss, targets_of
from training.classifier.calibrate import temperature, thresholds
from training.classifier.duplicates import Seen
from training.classifier.model import wrapped
from training.classifier.rows import CLEAN, OUTPUTS, Row, negative, part_of, positive, untested
from training.classifier.train import Recipe, losses, split, train
from training.gradients import Gradients

ROWS = [
    *(Row(f"you are a stupid idiot number {n}", "en", positive("abuse"), source="made") for n in range(40)),
    *(Row(f"今天第{n}天天气很好我们去公园", "zh", CLEAN, source="made") for n in range(40)),
    *(
        Row(f"buy followers cheap offer {n}", "en", positive("ads_spam") | negative("abuse"), source="made")
        for n in range(40)
    ),
]
TEXTS = [row.text for row in ROWS]
RECIPE = Recipe(samples=2_500, batch=16, learning_rate=5e-3, warm_up=10)


def test_missing_annotations_have_no_gradient() -> None:
    rows = [Row("x", "en", {"abuse": 1.0}), Row("y", "en", {"hate": 0.0, "risk": 1.0})]
    logits = torch.zeros(2, len(OUTPUTS), requires_grad=True)
    masked_loss(logits, *targets_of(rows)).backward()
    assert logits.grad is not None
    moved = {(row, OUTPUTS[int(column)]) for row, column in logits.grad.nonzero().tolist()}
    assert moved == {(0, "abuse"), (1, "hate"), (1, "risk")}


def test_a_batch_without_annotations_has_no_loss() -> None:
    targets, weights = targets_of([Row("x", "en", {})])
    assert masked_loss(torch.ones(1, len(OUTPUTS)), targets, weights).item() == 0


def test_batches_hold_every_row_once() -> None:
    tokenizer = wrapped(tiny.encoder(TEXTS).tokenizer)
    found = list(batches(ROWS, tokenizer, 16, 32, lambda row: row.text, Random(1)))  # noqa: S311
    assert sum(len(batch.input_ids) for batch in found) == len(ROWS)
    assert sum(batch.targets[:, OUTPUTS.index("abuse")].sum().item() for batch in found) == 40


def test_near_duplicates_are_found() -> None:
    seen = Seen(["The quick brown fox jumps over the lazy dog near the river bank today"])
    assert seen.add("the quick brown fox jumps over the lazy dog, near the river bank today!")
    assert not seen.add("an entirely different sentence about cooking rice and beans at home")


def test_a_set_with_a_test_side_elsewhere_has_none_here() -> None:
    rows = [replace(untested(row), source="elsewhere") for row in ROWS]
    assert {part_of(row) for row in rows} == {"train", "validation"}


def test_the_sides_of_the_split_are_disjoint() -> None:
    sides = split([*ROWS, *ROWS])
    texts = [row.text for side in sides.values() for row in side]
    assert len(texts) == len(set(texts))
    assert sides["train"]
    for part, rows in sides.items():
        assert {part_of(row) for row in rows} <= {part}


def test_measures_agree_with_a_count_by_hand() -> None:
    truth, scores = np.array([1.0, 0, 1, 0, 0]), np.array([0.9, 0.8, 0.8, 0.1, 0.2])
    pairs = [(r, c) for r in scores[truth == 1] for c in scores[truth == 0]]
    assert figures.auroc(truth, scores) == pytest.approx(sum((r > c) + (r == c) / 2 for r, c in pairs) / len(pairs))
    assert figures.recall_at(truth, scores, 0.0) == 0.5
    assert np.isnan(figures.auroc(np.ones(3), scores[:3]))


def test_a_temperature_undoes_overconfidence() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, 20_000)
    truth = (random.random(20_000) < 1 / (1 + np.exp(-logits))).astype(float)
    assert temperature(logits * 3, truth, np.ones(20_000)) == pytest.approx(3, rel=0.1)
    assert temperature(logits[:10], truth[:10], np.ones(10)) == 1


def test_thresholds_leave_ordinary_talk_alone() -> None:
    table = np.random.default_rng(1).random((5_000, len(OUTPUTS)))
    found = thresholds(["en"] * len(table), table)
    passed = table[:, :-1] >= [found[label]["en"]["review"] for label in OUTPUTS[:-1]]
    assert passed.any(axis=1).mean() <= 0.01
    assert (table[:, -1] >= found["risk"]["en"]["review"]).mean() <= 0.01


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders that a run writes."""
    out = tmp_path_factory.mktemp("trained")
    folder.save(out / "transformers", *train(ROWS, tiny.encoder(TEXTS), RECIPE, print, folder_unused))
    folder.convert(out / "transformers", out / "onnx")
    folder.calibrate(out / "onnx", ROWS, seed=1)
    return out


def folder_unused(*_trained: object) -> None:
    raise AssertionError("so short a run has no checkpoint")


def test_a_run_writes_a_model_that_the_judge_loads(trained: Path) -> None:
    classifier = load(JudgeSettings(model=str(trained / "onnx")))
    insult, weather = classifier.classify(["you are a stupid idiot", "今天天气很好"], ["en", "zh"])
    assert insult["abuse"] > 0.5 > weather["abuse"]
    assert (trained / "onnx" / "thresholds.json").is_file()


def test_the_saved_tokenizer_does_not_truncate(trained: Path) -> None:
    tokenizer = Tokenizer.from_file(str(trained / "transformers" / "tokenizer.json"))
    assert len(tokenizer.encode("no " * (2 * RECIPE.max_tokens)).ids) > 2 * RECIPE.max_tokens


def test_eight_bits_change_the_scores_little(trained: Path) -> None:
    exact, small = (load_model(str(trained / kind)).logits(TEXTS[::9]) for kind in ("transformers", "onnx"))
    np.testing.assert_allclose(small, exact, atol=0.15)


def test_the_kept_share_of_the_weights_is_mixed_in() -> None:
    """With a share of half, each weight ends in the middle."""

    def ended(share: float) -> torch.Tensor:
        recipe = replace(RECIPE, samples=64, kept=share)
        model, _ = train(ROWS, tiny.encoder(TEXTS), recipe, print, folder_unused)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    trained, midway, begun = map(ended, (0.0, 0.5, 1.0))
    assert (trained - begun).abs().max() > 1e-3
    torch.testing.assert_close(midway, (trained + begun) / 2)


@pytest.mark.parametrize("kind", ["transformers", "onnx"])
def test_a_written_model_can_be_trained_further(trained: Path, kind: str) -> None:
    """It starts with the weights and the head of the first run, not with a new head."""
    before = encoder.load(str(trained / kind))
    model, tokenizer = train(ROWS, before, replace(RECIPE, samples=16, learning_rate=1e-6), print, folder_unused)
    batch = tokenizer(TEXTS[:40], padding=True, return_tensors="pt")
    with torch.inference_mode():
        abuse = model(batch["input_ids"], batch["attention_mask"]).logits[:, OUTPUTS.index("abuse")]
    assert (abuse > 0).all()


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"No encoder at {tmp_path}"):
        encoder.load(str(tmp_path))


def test_the_same_seed_trains_the_same_model() -> None:
    """The last digits may differ, because two threads add up in the order in which they finish."""
    recipe = replace(RECIPE, samples=64)
    one, same = (parameters(recipe) for _ in range(2))
    other = parameters(replace(recipe, seed=2))
    torch.testing.assert_close(one, same, rtol=0, atol=1e-4)
    assert (one - other).abs().max() > 1e-2


def parameters(recipe: Recipe) -> torch.Tensor:
    model, _ = train(ROWS, tiny.encoder(TEXTS), recipe, print, folder_unused)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_threads_compute_the_gradient_of_the_whole_batch() -> None:
    torch.manual_seed(1)
    model, tokenizer = tiny.encoder(TEXTS).model, wrapped(tiny.encoder(TEXTS).tokenizer)
    (batch,) = batches(ROWS[::4], tokenizer, 64, 32, lambda row: row.text, Random(1))  # noqa: S311
    means, gradients = [], []
    for workers in (1, 2, 3):
        means.append(Gradients([*model.parameters()], workers).of(losses(model, batch, workers)))
        gradients.append(
            torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
        )
    assert means == pytest.approx([means[0]] * 3, rel=1e-2)
    for gradient in gradients[1:]:
        assert torch.cosine_similarity(gradient, gradients[0], dim=0) > 0.999


def test_the_learning_rate_rises_and_falls_with_the_samples_or_with_time() -> None:
    recipe = Recipe(samples=3_200, batch=32, warm_up=10, minutes=10)
    assert recipe.slope(4, recipe.done(4, 0)) == pytest.approx(0.5)
    assert recipe.done(50, 0) == recipe.done(10, 300) == 0.5
    assert recipe.slope(50, 0.5) == 0.5
    assert recipe.done(100, 0) == recipe.done(3, 600) == 1


def test_a_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No training set at .*cold"):
        list(sets.read(tmp_path, ("cold",)))


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such set: hatecheck"):
        list(sets.read(tmp_path, ("hatecheck",)))
