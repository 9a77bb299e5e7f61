"""A model learns from the one before it ("Born-again neural networks", Furlanello et al. 2018).

The teacher scores a text as it was written. The pupil sees the text with recognition errors. So the pupil learns how
certain a text is, for every label, including labels that are not annotated.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.judge.model_outputs import Calibrated, Numbers, sigmoid
from pipeline.learning.case_split import SeenTexts
from pipeline.learning.training_rows import CLEAN, OUTPUTS, Row
from training.classifier.sets import TALK

BELIEVED = 0.5
"""The teacher's share of the target for an annotated label. For other labels the teacher alone is the target."""
BELIEVED_OF_OURS = 0.25
"""The same for our own lines. Their annotations are better than crowd annotations, and may be new to the teacher."""
CLAUSE = "clause"
"""The source name of a row that is part of a line."""
MARKS = re.compile(r"[，。！？；、,.!?;\s]+")
FEWEST = 4
"""Minimum number of characters in a useful clause."""
TESTED = Path(__file__).parent / "spoken" / "tested.txt"
"""Clauses of our lines that are close to a test sentence, one a line. `test_suites.py` finds them."""


def taught(rows: Sequence[Row], teacher: Calibrated) -> list[Row]:
    """`rows` with a target for every output.

    Rows of clean talk keep their labels. Training also uses fragments of them, and a target for the whole text would be
    wrong for a fragment.
    """
    scores = sigmoid(teacher.logits([row.text for row in rows]))
    return [
        row if row.labels is CLEAN and row.source in TALK else replace(row, labels=_targets(row, known))
        for row, known in zip(rows, scores, strict=True)
    ]


def clauses(rows: Sequence[Row], held: Sequence[Row] = ()) -> list[Row]:
    """The clauses of our own Mandarin lines. People speak in fragments, and the teacher can score a fragment alone.

    Clauses that are close to `held`, to one of our suites or to HateCheck are left out.
    """
    ours = [row for row in rows if row.source == "authored" and row.language == "zh"]
    texts = {clause: row for row in ours for clause in MARKS.split(row.text) if FEWEST <= len(clause) < len(row.text)}
    seen, tested = SeenTexts(row.text for row in held), {*TESTED.read_text("utf-8").split()}
    return [
        Row(text, row.language, {}, CLAUSE, group=row.group)
        for text, row in texts.items()
        if text not in tested and text not in seen
    ]


def _targets(row: Row, scores: Numbers) -> dict[str, float]:
    """The target for each output, from the teacher's probabilities `scores`, shape (outputs,)."""
    share = BELIEVED_OF_OURS if row.source == "authored" else BELIEVED
    guessed = dict(zip(OUTPUTS, map(float, scores), strict=True))
    return guessed | {output: (1 - share) * value + share * guessed[output] for output, value in row.labels.items()}
