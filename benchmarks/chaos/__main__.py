"""Does anything get lost, or told twice, when everything breaks?

    python -m benchmarks.chaos [--minutes 3] [--rooms 6] [--seed 1] [--store sqlite|postgresql] [--troubles kill,lock]

People talk in rooms, two in each. Their apps send to a real `voxwarden gateway` and connect again as docs/integrate.md
says. Two workers of each role carry the speech over three brokers; Whisper and the classifier are replaced by something
instant (benchmarks/fast_worker.py). A moderator decides each case at once. Meanwhile troubles strike.

Afterwards the store must have every stretch of speech, once:

lost               stretches that are not stored from the first sample to the last. Only the pads before and after
                   may be missing, which are silence, and 0.23 s where a break falls into speech (a pad and a window).
                   A stretch has no pause of more than 0.4 s.
                   What is stored is known by its content: each tenth of a second carries its number in the lowest
                   bits (benchmarks/chaos/marks.py).
overlapping cases  cases of a speaker, in any state, that share more than a forced cut repeats (0.5 s and a window)
told again         flags that tell what another flag tells, under another id; 0.5% may
unexpected         flags of what nobody said
hung               processes that neither work nor exit: the health probe fails, the grace period is not enough, or
                   records still wait at the end
malformed: lost    bad records that are not in the dead letters; redelivered: those that are there twice

The last line has the counts. The exit code is 0 if all is well, else 1. The troubles:

"""

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from benchmarks.chaos.run import run
from benchmarks.chaos.troubles import TROUBLES, plan


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    chosen = [TROUBLES[name] for name in options.troubles.split(",")]
    seconds = options.minutes * 60
    planned = plan(seconds, chosen, options.seed)
    with folder(options.folder) as place:
        found = run(Path(place), seconds, options.rooms, options.seed, options.store, planned)
    print(found)
    return int(not found.good)


def parser() -> argparse.ArgumentParser:
    names = "\n".join(f"{name:<14}{trouble.__doc__}" for name, trouble in TROUBLES.items())
    made = argparse.ArgumentParser(
        description=f"{__doc__}{names}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--minutes", type=float, default=3.0)
    made.add_argument("--rooms", type=int, default=6)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    made.add_argument("--troubles", default=",".join(TROUBLES), help="names, with commas between; all unless given")
    made.add_argument(
        "--folder", type=Path, help="an empty folder that keeps logs and data; a temporary one unless given"
    )
    return made


def folder(given: Path | None) -> "tempfile.TemporaryDirectory[str] | nullcontext[str]":
    if given is None:
        return tempfile.TemporaryDirectory(prefix="voxwarden-chaos-")
    given.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(given))


if __name__ == "__main__":
    sys.exit(main())
