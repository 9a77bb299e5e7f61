"""How well the text classifier tells risky from clean, as written, on texts that it was not trained on.

    python -m benchmarks.classifier --data DIR [--model FOLDER]

`DIR` holds the sets, one folder each. Held out: COLD's dev part, a tenth of the others by a hash, and HateCheck, which
is never trained on. Ordinary talk is read as it stands: swda, mrda (English), cped, and the held-out part of kdconv.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.judge import transformer
from pipeline.judge.classifier import BASELINE
from pipeline.judge.judge import Judge, build
from pipeline.judge.texts import Text, judge_texts
from pipeline.judge.training import figures, sets
from pipeline.judge.training.rows import OUTPUTS, Row, part_of, plain
from pipeline.metrics import Metrics
from pipeline.settings import Judge as JudgeSettings
from pipeline.settings import Settings

HELD_OUT = (
    ("cold", "risk"),
    ("chineseharm", "risk"),
    ("davidson", "abuse"),
    ("jigsaw_part", "risk"),
    ("sms_spam", "risk"),
    ("hatexplain", "hate"),
    ("cssrs_reddit", "self_harm"),
    ("teleantifraud", "fraud"),
)
TALK = {"swda": "en", "mrda": "en", "cped": "zh", "kdconv": "zh"}
"""Nobody in it is presumed to be risky; a few are, in anger or in jest."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=BASELINE)
    options = parser.parse_args()
    model = transformer.load(str(options.model))
    print(f"{'set':16} {'output':10} {'texts':>6} {'AUROC':>6} {'AP':>6} {'R@1%':>6}")
    for name, output in HELD_OUT:
        rows = [row for row in held_out(options.data, name) if output in row.labels]
        score(model, name, output, rows)
    for name in ("hatecheck", "hatecheck_zh"):
        score(model, name, "hate", list(hatecheck(options.data / name)))
    judge = build(Settings(judge=JudgeSettings(model=str(options.model))), Metrics())
    print("ordinary talk, by the default policy:")
    for name, language in TALK.items():
        talk(judge, options.data, name, language)


def held_out(data: Path, name: str) -> Iterator[Row]:
    return (row for row in sets.read(data, (name,)) if part_of(row) == "test")


def hatecheck(folder: Path) -> Iterator[Row]:
    (file,) = folder.glob("*cases.csv")
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield Row(row["test_case"], "", {"hate": float(row["label_gold"] == "hateful")})


def score(model: transformer.SequenceClassifier, name: str, output: str, rows: Sequence[Row]) -> None:
    truth = np.array([row.labels[output] for row in rows])
    scores = model.probabilities([row.text for row in rows])[:, OUTPUTS.index(output)]
    shown = (
        figures.auroc(truth, scores),
        figures.average_precision(truth, scores),
        figures.recall_at(truth, scores, 0.01),
    )
    print(f"{name:16} {output:10} {len(rows):6} " + " ".join(f"{value:6.3f}" for value in shown), flush=True)


def talk(judge: Judge, data: Path, name: str, language: str) -> None:
    """Share of ordinary talk that the whole judge, lexicon and policy included, does not pass."""
    if name in sets.SETS:
        texts = [row.text for row in held_out(data, name)]
    else:
        with (data / name / "rows.csv").open(encoding="utf-8", newline="") as lines:
            texts = [plain(row["text"]) for row in csv.DictReader(lines)]
    flags = judge_texts(judge, [Text(text, language) for text in texts])
    share = sum(flag.suggestion != "pass" for flag in flags) / len(flags)
    print(f"{name:16} {language:10} {len(texts):6} flagged {100 * share:.2f}%", flush=True)


if __name__ == "__main__":
    main()
