"""Collect recordings of sounds from packages and speech that you have downloaded.

    python -m training.sound.collect --from DIR --out DIR --side test

`sources.tsv` lists the sources: the side, the kind, the name, the files below `--from`, the licence. The side
`validate` chose the limits of the sound events, and the side `test` measures them. No source trains a model.
For Debian's packages, run `apt-get download NAME` and `dpkg -x NAME*.deb DIR/NAME`. A repository of GitHub lies in a
folder of its name. To validate, at most five minutes of each source are taken, and half a minute of each file, from its
middle. To test, it is half an hour and two minutes.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from rich.progress import track

from pipeline.base.errors import InputError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.speech.audio.decode import samples_of
from pipeline.speech.audio.encode import encode_flac
from pipeline.speech.audio.resample import Samples
from training.commands import errors_in_a_line, notes
from training.sound.sources import KINDS, Kind

TABLE = Path(__file__).parent / "sources.tsv"

LEAST_OF_FILE = SAMPLE_RATE // 10

Side = Literal["validate", "test"]


class Limits(NamedTuple):
    """The most that is taken: samples of a file, samples of a source, files of a source."""

    file: int
    source: int
    files: int


FEW = Limits(30 * SAMPLE_RATE, 300 * SAMPLE_RATE, 100)
"""To choose limits, many sources tell more than long ones."""
MANY = Limits(120 * SAMPLE_RATE, 1_800 * SAMPLE_RATE, 400)
"""The test side's, because rates of false alarms need hours."""


class Source(NamedTuple):
    side: Side
    kind: Kind
    name: str
    files: str
    licence: str


def sources(side: Side) -> list[Source]:
    """The sources of a side in `sources.tsv`. A mistake in the table is a KeyError."""
    kinds = {str(kind): kind for kind in KINDS}
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row[0] == side]
    return [Source(side, kinds[kind], name, files, licence) for _, kind, name, files, licence in rows]


def collect(source: Source, start: Path, out: Path) -> int:
    """Write the recordings of a source; returns the number of samples. Raises InputError if it has no files."""
    found = sorted({path for pattern in source.files.split() for path in start.glob(pattern) if path.is_file()})
    if not found:
        raise InputError(f"{source.name}: nothing matches {source.files} in {start}", "Download it, or remove its row.")
    folder = out / source.kind / source.name
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    limits = MANY if source.side == "test" else FEW
    for number, samples in enumerate(_parts(_spread(found, limits.files), limits.file)):
        (folder / f"{number:03}.flac").write_bytes(encode_flac(samples))
        total += samples.size
        if total >= limits.source:
            break
    return total


def _spread(files: Sequence[Path], most: int) -> Sequence[Path]:
    """At most `most` files, from the whole list."""
    return files[:: -(-len(files) // most)]


def _parts(files: Sequence[Path], most: int) -> Iterator[Samples]:
    for path in files:
        try:
            samples = samples_of(path)
        except VoxwardenError as error:
            notes.print(f"{path.name}: {error}", highlight=False)
            continue
        at = max(0, (samples.size - most) // 2)
        if samples.size >= LEAST_OF_FILE:
            yield samples[at : at + most].clip(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--from", dest="start", type=Path, required=True, help="folder of downloaded packages and speech"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the recordings by kind and source")
    parser.add_argument("--side", choices=("validate", "test"), required=True)
    options = parser.parse_args()
    with errors_in_a_line():
        for source in track(sources(options.side), options.side, console=notes):
            seconds = collect(source, options.start, options.out) / SAMPLE_RATE
            notes.print(f"{source.kind} {source.name}: {seconds:.0f} s", highlight=False)


if __name__ == "__main__":
    main()
