"""Measure how well the judge separates risky from clean texts, beside its parts.

    python -m benchmarks.judge --data DIR [--heard PATH] [--only SECTION ...] [--model FOLDER] [--policy P] [--sample N]

`DIR` holds the text sets, one folder each. PATH is a TSV file, or a folder of them, of sentences as text and as a
recogniser heard them (columns language, label, text, heard). Without it there is no section `heard`. Held out: COLD's
dev part, a tenth of the others by a hash, and HateCheck.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.table import Table

from benchmarks import report
from benchmarks.judging import alarms, hatecheck, heldout, throughput, transcribed
from benchmarks.judging.bench import Bench
from pipeline.base.errors import VoxwardenError

SECTIONS: Mapping[str, Callable[[Bench], Iterator[Table]]] = {
    "heldout": heldout.tables,
    "hatecheck": hatecheck.tables,
    "heard": transcribed.tables,
    "talk": alarms.ordinary,
    "lookalikes": alarms.safe,
    "evasion": alarms.tricks,
    "throughput": throughput.tables,
}


def main() -> None:
    options = arguments()
    bench = Bench(options.data, options.model, options.policy, options.heard, options.sample)
    try:
        for name in options.only or SECTIONS:
            report.show(*SECTIONS[name](bench))
    except VoxwardenError as error:
        report.notes.print(f"[red]{error}[/]")
        raise SystemExit(2) from error


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with one folder for each set")
    parser.add_argument("--heard", type=Path, help="TSV file or folder of texts and their transcripts")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, help="only these sections")
    parser.add_argument("--model", help="folder or hub id of another classifier; unset: the shipped one")
    parser.add_argument("--policy", default="default", help="a policy by name or path")
    parser.add_argument("--sample", type=int, help="maximum number of cases of a language in each table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
