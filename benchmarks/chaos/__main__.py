"""Test whether speech is lost or delivered twice under many failures.

    python -m benchmarks.chaos [--minutes 3] [--rooms 6] [--seed 1] [--store sqlite|postgresql] [--troubles kill,lock]
                               [--outage 15]

Two people talk in each room. Their apps send audio to a real `voxwarden gateway` with the client of docs/python.md. Two
workers of each role process the speech over three brokers. Instant fakes replace Whisper and the classifier
(benchmarks/fast_worker.py). A moderator decides each case at once. Meanwhile failures are injected.

Afterwards the store must have every stretch of speech, once:

lost               stretches that are not stored from the first sample to the last. Only the pads before and after
                   may be missing, which are silence, and 0.23 s where a break falls into speech (a pad and a window).
                   A stretch has no pause of more than 0.4 s.
                   Stored speech is identified by its content: each tenth of a second carries its number in the lowest
                   bits (benchmarks/chaos/marks.py).
overlapping cases  cases of a speaker, in any state, that share more than a forced cut repeats (0.5 s and a window)
told again         flags for speech that another flag covers, under another id; up to 0.5% are allowed
unexpected         flags for speech that nobody said
without a clip     cases that still have no clip at the end
hung               processes that neither work nor exit: the health probe fails, the grace period is too short, or
                   records still wait at the end. Speakers that the gateway refused for good count here, too
tallies: wrong     hours in which the tallies differ from a count of voice.flags and voice.speech
malformed: lost    bad records that are not in the dead letters; redelivered: those that are there twice

The last line has the counts. The exit code is 0 without faults, else 1. The failures:

"""

import argparse
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.chaos.run import run
from benchmarks.chaos.troubles import RARE_SECONDS, TROUBLES, plan


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    chosen = [TROUBLES[name] for name in options.troubles.split(",")]
    seconds = options.minutes * 60
    planned = plan(seconds, chosen, options.seed, max(RARE_SECONDS, options.outage))
    with report.folder(options.folder) as place:
        found = run(Path(place), seconds, options.rooms, options.seed, options.store, planned, options.outage)
    report.show(str(found))
    return int(not found.good)


def parser() -> argparse.ArgumentParser:
    names = "\n".join(f"{name:<16}{trouble.__doc__}" for name, trouble in TROUBLES.items())
    made = report.parser(f"{__doc__}{names}")
    made.add_argument("--minutes", type=float, default=3.0)
    made.add_argument("--rooms", type=int, default=6)
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    made.add_argument("--troubles", default=",".join(TROUBLES), help="names, separated by commas (default: all)")
    made.add_argument("--outage", type=float, default=15.0, metavar="SECONDS", help="how long the brokers are away")
    made.add_argument("--folder", type=Path, help="an empty folder for logs and data (default: a temporary one)")
    return made


if __name__ == "__main__":
    sys.exit(main())
