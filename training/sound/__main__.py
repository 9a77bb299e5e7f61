"""Train the model of music and singing.

    python -m training.sound --data DIR [--out FILE] [--examples 3000] [--rounds 16]

`DIR` has recordings in `music/SOURCE/`, `singing/SOURCE/`, `speech/SOURCE/` and `other/SOURCE/`. A fifth of the sources
validates. `python -m training.sound.collect` makes the folder of the shipped model.
"""

import argparse
from pathlib import Path

import torch

from pipeline.sound.events.music import MODEL
from training.commands import errors_in_a_line, notes
from training.sound.learn import Recipe, learn
from training.sound.network import export
from training.sound.sources import recordings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings by kind and source")
    parser.add_argument("--out", type=Path, default=MODEL, help="the model's file")
    parser.add_argument("--examples", type=int, default=Recipe.examples)
    parser.add_argument("--rounds", type=int, default=Recipe.rounds)
    parser.add_argument("--minutes", type=float, default=Recipe.minutes, help="longest time of the rounds")
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recipe = Recipe(options.seed, options.examples, rounds=options.rounds, minutes=options.minutes)
    with errors_in_a_line():
        export(learn([*recordings(options.data)], recipe, notes.print), options.out)


if __name__ == "__main__":
    main()
