"""Check the figures of the security assessment.

    python -m benchmarks.assessment simulate [--utterances 20000] [--seed 1] [--store sqlite|postgresql] [--all]
    python -m benchmarks.assessment scale [--utterances 100000000] [--cases 1000000] [--store sqlite|postgresql]

`simulate` plays two weeks of rooms through the real review store: with crashes, batches that arrive again, undecided
and undone decisions, appeals, reports, drills, an overload, lost speech, a new policy and a new model. It computes
every figure a second time in plain Python, from what happened. It prints each difference, or with --all each figure.
The exit code is 1 if there is a difference.

`scale` fills a store with the tallies of a quarter of speech and with cases. It prints the seconds and the peak memory
of each indicator, of all figures together with their trend, and of a report. Each is measured in a process of its own.
With --folder, it keeps a SQLite store there, and measures it again if it is already filled.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.assessment import scale, simulate
from tests.pipeline.review import postgres

STORES = ("sqlite", "postgresql")


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
    """Compare the figures on each store. Return whether there is a difference."""
    different = False
    for store in [options.store] if options.store else STORES:
        begin = time.monotonic()
        with url_of(store) as url:
            lines = simulate.run(url, options.seed, options.utterances)
        for line in lines:
            if options.all or not line.ok:
                print(line)
        wrong = Counter(line.key[0] for line in lines if not line.ok)
        print(f"{store}: {len(lines)} figures, {wrong.total()} different, {time.monotonic() - begin:.0f} s")
        different = different or bool(wrong)
    return different


def large_store(options: argparse.Namespace) -> bool:
    """Fill a store and print what the figures cost."""
    with url_of(options.store, options.folder) as url:
        if not options.folder or not (options.folder / "store.db").exists():
            print(f"filled in {scale.fill(url, options.utterances, options.cases):.0f} s", flush=True)
        for cost in scale.costs(url):
            print(cost, flush=True)
    return False


@contextmanager
def url_of(store: str, folder: Path | None = None) -> Iterator[str]:
    """Make an empty database, or use the one in `folder`."""
    if store == "postgresql":
        with postgres.server() as url:
            yield url
    elif folder:
        yield simulate.sqlite_url(folder)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            yield simulate.sqlite_url(Path(temporary))


if __name__ == "__main__":
    sys.exit(main())
