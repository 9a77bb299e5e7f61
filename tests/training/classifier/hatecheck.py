"""Fingerprints of HateCheck's cases. They show that a sentence is close to a case, without containing the cases.

`python -m tests.training.classifier.hatecheck FOLDER` writes them. FOLDER holds `hatecheck/test_suite_cases.csv`
(Röttger et al. 2021) and `hatecheck_zh/cases.csv` (Röttger et al. 2022), both CC-BY-4.0.
"""

import sys
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from pipeline.learning.case_split import SeenTexts, bands
from training.classifier.files import read_csv

FILE = Path(__file__).parents[2] / "data" / "hatecheck.fingerprints"
CASES = ("hatecheck/test_suite_cases.csv", "hatecheck_zh/cases.csv")
SIZE = 6
"""Bytes of a fingerprint. With 10^5 of ours against 4 x 10^4 of theirs, one in 10^5 runs has a match by chance."""
OURS = "this sentence stands in the file though nobody ever wrote it for the test of hate"
"""Written with the others. If it is not found, the file is older than the code that makes fingerprints."""


def fingerprints(keys: Iterable[tuple[int, bytes]]) -> set[bytes]:
    """Fingerprints of texts, from their bands."""
    return {blake2b(bytes([band]) + key, digest_size=SIZE).digest() for band, key in keys}


def near(texts: Iterable[str]) -> list[str]:
    """The `texts` that are close to a case."""
    known = _known()
    return [text for text in texts if not known.isdisjoint(fingerprints(bands(text)))]


def meets(texts: SeenTexts) -> bool:
    """Whether one of the texts is close to a case. `near` also finds which, but takes longer."""
    return not _known().isdisjoint(fingerprints(texts.keys))


def _known() -> set[bytes]:
    held = FILE.read_bytes()
    return {held[at : at + SIZE] for at in range(0, len(held), SIZE)}


def write(folder: Path) -> None:
    cases = [OURS, *(row["test_case"] for name in CASES for row in read_csv(folder / name))]
    FILE.write_bytes(b"".join(sorted(fingerprints(SeenTexts(cases).keys))))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
