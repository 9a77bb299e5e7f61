"""Measure how much capitals and punctuation change the classifier's `risk`.

    python -m benchmarks.forms [--model FOLDER] [--lines N]

A recogniser or a keyboard decides about them, so they should say nothing. The lines are our own ones of the validation
side, which no model is trained on. Each is scored bare (lower case, no marks), in capitals, with a full stop, as a
question, and as its author typed it. The table has the mean change of `risk` against the bare line, the share of lines
that change by more than 0.05, and the worst change.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks import report
from pipeline.judge.classifier import SHIPPED, load_model
from pipeline.judge.classifier_text import view
from pipeline.judge.model_outputs import Calibrated
from pipeline.learning.training_rows import RISK, Row, part_of
from pipeline.speech.languages.zh.script import has_han
from training.classifier.noise import bare
from training.classifier.sets import read

Numbers = NDArray[np.float64]

LIMIT = 0.05
"""The mean change that we allow."""
SEED = 5


def ended(text: str, marks: Mapping[str, str]) -> str:
    return bare(text) + marks["zh" if has_han(text) else "en"]


FORMS: Mapping[str, Callable[[str], str]] = {
    "capitals": lambda text: bare(text).upper(),
    "full stop": lambda text: ended(text, {"en": ".", "zh": "。"}),
    "question": lambda text: ended(text, {"en": "?", "zh": "？"}),
    "as typed": lambda text: text,
}


def main() -> None:
    options = arguments()
    model = load_model(options.model)
    lines = held(options.lines)
    texts = {language: [row.text for row in lines if row.language == language] for language in ("en", "zh")}
    report.show(*(table(language, found, changes(model, found)) for language, found in texts.items()))


def held(count: int) -> list[Row]:
    """At most `count` of our lines of each language from the validation side, the same ones each time."""
    rows = [row for row in read(Path(), ("authored",)) if part_of(row) == "validation" and bare(row.text)]
    Random(SEED).shuffle(rows)
    return [row for language in ("en", "zh") for row in [r for r in rows if r.language == language][:count]]


def changes(model: Calibrated, texts: Sequence[str]) -> Mapping[str, Numbers]:
    """The change of `risk` in each form against the bare text, each of shape (texts,)."""
    plain = risks(model, [*map(bare, texts)])
    return {name: risks(model, [*map(form, texts)]) - plain for name, form in FORMS.items()}


def risks(model: Calibrated, texts: Sequence[str]) -> Numbers:
    return model.probabilities([*map(view, texts)])[:, model.labels.index(RISK)]


def table(language: str, texts: Sequence[str], found: Mapping[str, Numbers]) -> Table:
    result = Table("form", title=f"risk of {len(texts)} lines, {language}, against the bare line")
    for column in ("mean", f"above {LIMIT}", "worst"):
        result.add_column(column, justify="right")
    result.add_column("worst line", overflow="fold")
    for name, change in found.items():
        size = np.abs(change)
        at = int(size.argmax())
        cells = f"{size.mean():.3f}", f"{(size > LIMIT).mean():.1%}", f"{change[at]:+.2f}", texts[at]
        result.add_row(name, *cells)
    return result


def arguments() -> argparse.Namespace:
    parser = report.parser(__doc__)
    parser.add_argument("--model", default=str(SHIPPED), help="folder of another classifier; unset: the shipped one")
    parser.add_argument("--lines", type=int, default=500, help="lines of each language")
    return parser.parse_args()


if __name__ == "__main__":
    main()
