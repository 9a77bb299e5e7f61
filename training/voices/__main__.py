"""Train the model of synthetic voices.

    python -m training.voices --train DIR --validate DIR --out FILE [--examples 2000] [--rounds 8]

Each `DIR` has recordings in `speech/SOURCE/` (of people), `synthetic/SOURCE/`, and `music/SOURCE/` and `other/SOURCE/`
if you have them. The synthesisers and people of one must not be in the other. docs/synthetic-voices.md tells how to
make the folders of our measurement.
"""

import argparse
from pathlib import Path

import torch

from training.commands import errors_in_a_line, notes
from training.sound.sources import recordings
from training.voices.learn import Lessons, learn
from training.voices.network import export


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="folder of recordings by kind and source")
    parser.add_argument("--validate", type=Path, required=True, help="folder of other sources")
    parser.add_argument("--out", type=Path, required=True, help="the model's file")
    parser.add_argument("--examples", type=int, default=Lessons.examples)
    parser.add_argument("--rounds", type=int, default=Lessons.rounds)
    parser.add_argument("--minutes", type=float, default=Lessons.minutes, help="longest time of the rounds")
    parser.add_argument("--seed", type=int, default=Lessons.seed)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lessons = Lessons(options.seed, options.examples, rounds=options.rounds, minutes=options.minutes)
    with errors_in_a_line():
        found = learn([*recordings(options.train)], [*recordings(options.validate)], lessons, notes.print)
        export(found, options.out)


if __name__ == "__main__":
    main()
