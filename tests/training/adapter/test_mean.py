"""The mean of adapters adds the mean of their additions, as closely as their rank allows."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.base.errors import ConfigError
from pipeline.speech.asr import whisper_adapter
from pipeline.speech.asr.whisper_adapter import Adapter, Factors
from training.adapter.mean import arguments, cut, make, mean

PLACE = "decoder/layer_0/ffn/linear_0"


def factors(seed: int, rank: int = 4) -> Factors:
    random = np.random.default_rng(seed)
    shapes = {f"{PLACE}/a": (rank, 20), f"{PLACE}/b": (30, rank)}
    return {name: random.normal(size=shape).astype(np.float16) for name, shape in shapes.items()}


def added(some: Factors) -> NDArray[np.float32]:
    ((_, addition),) = Adapter("zh", "", some).additions()
    return addition


def test_the_mean_of_equal_adapters_is_the_same_adapter() -> None:
    found = mean([factors(1)] * 3)
    assert {name: factor.shape for name, factor in found.items()} == {f"{PLACE}/a": (4, 20), f"{PLACE}/b": (30, 4)}
    np.testing.assert_allclose(added(found), added(factors(1)), atol=0.02)


def test_no_adapter_of_the_rank_is_closer_to_the_mean() -> None:
    some = [factors(seed) for seed in (1, 2, 3)]
    wanted = np.mean([added(each) for each in some], axis=0)
    u, values, v = np.linalg.svd(wanted, full_matrices=False)
    np.testing.assert_allclose(added(mean(some)), u[:, :4] * values[:4] @ v[:4], atol=0.02)


def test_a_sufficient_rank_loses_nothing() -> None:
    one = factors(1)
    a, b = (one[f"{PLACE}/{side}"].astype(np.float32) for side in "ab")
    nearer, same = cut(a, b, 4)
    np.testing.assert_allclose(same.astype(np.float32) @ nearer.astype(np.float32), b @ a, atol=0.02)


def test_adapters_of_different_ranks_are_refused() -> None:
    with pytest.raises(ConfigError, match="differ in model or rank"):
        mean([factors(1), factors(2, rank=8)])


def test_the_command_writes_an_adapter(tmp_path: Path) -> None:
    for seed in (1, 2):
        np.savez(tmp_path / f"{seed}.npz", allow_pickle=False, **factors(seed))
    out = tmp_path / "made" / "base.zh.npz"
    make(arguments([str(tmp_path / "1.npz"), str(tmp_path / "2.npz"), "--out", str(out)]))
    np.testing.assert_array_equal(
        added(whisper_adapter.read_adapter(out, "zh").factors), added(mean([factors(1), factors(2)]))
    )
