"""The mean of the additions that several adapters make to each weight, reduced to their rank.

    python -m training.adapter.mean FILE FILE... --out FILE

Use it on the turns of one training (`python -m training.adapter --start FILE`). Later turns recognise the synthesiser
better, and the mean recognises people better (training/NOTES.md). Source: Wortsman et al. 2022, for whole weights.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import ConfigError
from pipeline.speech.asr.whisper_adapter import Factors
from training.adapter.lessons import begun
from training.commands import errors_in_a_line

Weight = NDArray[np.floating[Any]]


def mean(some: Sequence[Factors]) -> Factors:
    """The adapter that is closest to the mean of `some` and has the same rank.

    Raises ConfigError if the adapters differ in model or rank.
    """
    first, *others = ({name: factor.shape for name, factor in factors.items()} for factors in some)
    if any(shapes != first for shapes in others):
        raise ConfigError("The adapters differ in model or rank", "Name turns of one training.")
    found: dict[str, NDArray[np.float16]] = {}
    for place in (name.removesuffix("/a") for name in first if name.endswith("/a")):
        a = np.concatenate([factors[f"{place}/a"].astype(np.float32) for factors in some])
        b = np.concatenate([factors[f"{place}/b"].astype(np.float32) for factors in some], axis=1)
        found[f"{place}/a"], found[f"{place}/b"] = cut(a, b / len(some), first[f"{place}/a"][0])
    return found


def cut(a: Weight, b: Weight, rank: int) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Factors of rank `rank` whose product is closest to `b @ a`. The full product is never computed."""
    (outputs, left), (inputs, right) = np.linalg.qr(b), np.linalg.qr(a.T)
    u, values, v = np.linalg.svd(left @ right.T)
    root = np.sqrt(values[:rank])
    return (root[:, None] * v[:rank] @ inputs.T).astype(np.float16), (outputs @ u[:, :rank] * root).astype(np.float16)


def make(options: argparse.Namespace) -> None:
    factors = mean([begun(path) for path in options.files])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(options.out, allow_pickle=False, **factors)


def main() -> None:
    with errors_in_a_line():
        make(arguments())


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="adapters of one model and rank")
    parser.add_argument("--out", type=Path, required=True, help="file for their mean")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
