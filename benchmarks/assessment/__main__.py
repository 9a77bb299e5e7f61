"""Check the figures of the security assessment.

    python -m benchmarks.assessment simulate [--utterances 20000] [--seed 1] [--store sqlite|postgresql] [--all]
    python -m benchmarks.assessment scale [--utterances 100000000] [--cases 1000000] [--store sqlite|postgresql]

`simulate` plays two weeks of rooms through the real review store: with batches that arrive again, transactions that
fail midway, undecided and undone decisions, appeals, reports, drills, an overload, lost speech, a new policy and a new
model. People watch for triggers, finish an assessment, and find, fix and close hazards. It computes all of it a second
time in plain Python, from what happened: figures with interval, limit and trend; triggers with due dates; hazards; and
tallies. It measures a week once more when more has happened, and compares the two databases. It prints each difference,
or with --all each value. The exit code is 1 if there is a difference.

`scale` fills a store with the tallies of a quarter of speech and with cases. It prints the seconds and the peak memory
of the snapshot of the cases, of the indicators that share a query, and of the digests, one after the other. Then it
measures all figures with their trend, and a report, each in a process of its own.
With --folder, it keeps a SQLite store there, and measures it again if it is already filled.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.assessment import scale, simulate
from benchmarks.assessment.simulate import Figures, Simulated
from benchmarks.assessment.stores import STORES, url_of

RECORDS = {"trigger": "triggers", "hazard": "hazards", "tallies": "measures of tallies", "log": "audit log"}
"""The things that are compared beside figures, with their names in the summary."""


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return int(options.command(options))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = made.add_subparsers(required=True)
    simulated = commands.add_parser("simulate", help="compare the figures of simulated weeks with the truth")
    simulated.add_argument("--utterances", type=int, default=20_000)
    simulated.add_argument("--seed", type=int, default=1)
    simulated.add_argument("--store", choices=STORES, default=None, help="default: both")
    simulated.add_argument("--all", action="store_true", help="print the figures that agree, too")
    simulated.set_defaults(command=simulated_weeks)
    scaled = commands.add_parser("scale", help="measure the time and memory that a quarter of a large app takes")
    scaled.add_argument("--utterances", type=int, default=100_000_000)
    scaled.add_argument("--cases", type=int, default=1_000_000)
    scaled.add_argument("--store", choices=STORES, default="sqlite")
    scaled.add_argument("--folder", type=Path, help="where to keep the SQLite store (default: it is deleted)")
    scaled.set_defaults(command=large_store)
    return made


def simulated_weeks(options: argparse.Namespace) -> bool:
    """Compare each store with the truth, and the stores with each other. Return whether there is a difference."""
    stores = [options.store] if options.store else STORES
    play = partial(simulate.in_store, options.seed, options.utterances)
    with ProcessPoolExecutor(len(stores), get_context("spawn")) as processes:
        results = dict(zip(stores, processes.map(play, stores), strict=True))
    for store, result in results.items():
        for line in result.lines:
            if options.all or not line.ok:
                print(line)
        print(f"{store}: {summary(result)}")
    different = not all(line.ok for result in results.values() for line in result.lines)
    if len(results) > 1:
        different = print_differences(*(result.figures for result in results.values())) or different
    return different


def summary(result: Simulated) -> str:
    """Return the numbers of a simulation in one line."""
    kinds = Counter(RECORDS.get(line.key[0], "figures") for line in result.lines)
    wrong, history = sum(not line.ok for line in result.lines), result.history
    compared = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    return (
        f"{compared}: {wrong} different; {len(history.speech)} utterances, {history.delivered_again} messages again, "
        f"{history.aborted} transactions aborted"
    )


def print_differences(one: dict[str, Figures], other: dict[str, Figures]) -> bool:
    """Print the figures that differ between the two databases. Return whether there are any."""
    pairs = [(window, key, one[window][key], other[window].get(key)) for window in one for key in one[window]]
    wrong = [pair for pair in pairs if pair[2] != pair[3]]
    for pair in wrong:
        print(*pair)
    print(f"both databases: {len(pairs)} figures, {len(wrong)} different")
    return bool(wrong)


def large_store(options: argparse.Namespace) -> bool:
    """Fill a store and print what the figures cost."""
    with url_of(options.store, options.folder) as url:
        if not options.folder or not (options.folder / "store.db").exists():
            print(f"filled in {scale.fill(url, options.utterances, options.cases):.0f} s", flush=True)
        for cost in scale.costs(url):
            print(cost, flush=True)
    return False


if __name__ == "__main__":
    sys.exit(main())
