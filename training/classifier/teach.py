"""A model learns from the one before it ("Born-again neural networks", Furlanello et al. 2018).

The teacher reads a text as it was written, the pupil hears it. So the pupil learns how sure one can be of a text, and
of every label: also of those that nobody annotated.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError
from pipeline.judge.calibration import Calibrated, Numbers, sigmoid
from training.classifier.duplicates import Seen
from training.classifier.rows import CLEAN, OUTPUTS, Row
from training.classifier.sets import TALK

BELIEVED = 0.5
"""Share of the teacher's word in a target that somebody annotated. Where nobody did, it stands alone."""
BELIEVED_OF_OURS = 0.25
"""The same for our own lines, which are annotated with more care than crowds have, and may be new to the teacher."""
CLAUSE = "clause"
"""Source of what is a part of a line."""
MARKS = re.compile(r"[，。！？；、,.!?;\s]+")
FEWEST = 4
"""Characters of a clause that says something."""
TESTED = Path(__file__).parent / "spoken" / "tested.txt"
"""Clauses of our lines that are nearly a sentence of a test, one a line; tests/benchmarks/test_suites.py finds them."""
CHUNK = 10_000
"""Texts between two lines of progress."""


def taught(rows: Sequence[Row], teacher: Calibrated, say: Callable[[str], None]) -> list[Row]:
    """`rows` with a target for every output. Clean talk stays as it is, since fragments of it are drawn.

    Raises ConfigError for a teacher with other outputs than ours.
    """
    if teacher.labels != OUTPUTS:
        raise ConfigError(
            f"{teacher.name} knows other labels than are trained here",
            "Take one that `python -m training.classifier` wrote.",
        )
    return [
        row if row.labels is CLEAN and row.source in TALK else replace(row, labels=_targets(row, said))
        for row, said in zip(rows, _read(rows, teacher, say), strict=True)
    ]


def clauses(rows: Sequence[Row], held: Sequence[Row] = ()) -> list[Row]:
    """The clauses of our own Mandarin lines: people speak in fragments, and a teacher can say what one means alone.

    None is nearly one of `held`, or of what our own suites and HateCheck test.
    """
    ours = [row for row in rows if row.source == "authored" and row.language == "zh"]
    texts = {clause: row for row in ours for clause in MARKS.split(row.text) if FEWEST <= len(clause) < len(row.text)}
    seen, tested = Seen(row.text for row in held), {*TESTED.read_text("utf-8").split()}
    return [
        Row(text, row.language, {}, CLAUSE, group=row.group)
        for text, row in texts.items()
        if text not in tested and text not in seen
    ]


def _read(rows: Sequence[Row], teacher: Calibrated, say: Callable[[str], None]) -> Numbers:
    """What the teacher says, before calibration, of each text: probabilities (rows, outputs)."""
    found = []
    for start in range(0, len(rows), CHUNK):
        say(f"the teacher reads: {start} of {len(rows)} texts")
        found.append(teacher.logits([row.text for row in rows[start : start + CHUNK]]))
    return sigmoid(np.concatenate(found))


def _targets(row: Row, said: Numbers) -> dict[str, float]:
    """Output → target, of `said`, (outputs,)."""
    share = BELIEVED_OF_OURS if row.source == "authored" else BELIEVED
    guessed = dict(zip(OUTPUTS, map(float, said), strict=True))
    return guessed | {output: (1 - share) * value + share * guessed[output] for output, value in row.labels.items()}
