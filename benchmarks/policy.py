"""Measure how much ordinary talk and how many risky texts a policy reviews and blocks, with the shipped judge.

    python -m benchmarks.policy --data DIR [--policy NAME] [--room-type T]

`DIR` holds the text sets, one folder each. Rows are a fixed sample of each set. Ordinary talk and COLD's dev part are
held out, from the training and from the thresholds (`training/classifier/thresholds.py`). ChineseHarm may have taught
a model, so its recall there does not show how well it generalises.
"""

import argparse
import csv
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report
from pipeline.base.metrics import Metrics
from pipeline.judge.judge_stage import build
from pipeline.judge.text_transcripts import Text, judge_texts
from pipeline.learning.training_rows import part_of
from pipeline.settings import JudgeSettings, Settings
from training.classifier import sets as training_sets
from training.classifier.validation import CONVERSATIONS, sets_limits

ORDINARY = ("kdconv", "crosswoz", "cped", "medical_zh", "swda", "mrda", "topical_chat")
SAMPLE = 3_000


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--policy", default="default")
    parser.add_argument("--room-type", default="default")
    show_shares(parser.parse_args())
    print(report.machine())


def show_shares(options: argparse.Namespace) -> None:
    judge = build(Settings(judge=JudgeSettings(policy=options.policy)), Metrics())
    print(f"{'set':28} {'texts':>6} {'review':>7} {'block':>7}  labels")
    for name, texts in sets(options.data):
        random.Random(1).shuffle(texts)
        flags = judge_texts(judge, [Text(text, room_type=options.room_type) for text in texts[:SAMPLE]])
        counts = Counter(flag.suggestion for flag in flags)
        labels = Counter(flag.flagged[0] for flag in flags if flag.suggestion != "pass")
        shares = (f"{counts[what] / len(flags):>7.2%}" for what in ("review", "block"))
        print(
            f"{name:28} {len(flags):>6}", *shares, "", ", ".join(f"{label} {n}" for label, n in labels.most_common(4))
        )


def sets(data: Path) -> Iterator[tuple[str, list[str]]]:
    for name in ORDINARY:
        yield f"ordinary {name}", [*ordinary(data, name)]
    cold = list(rows(data / "cold" / "dev.csv"))
    for label, kind in (("0", "harmless"), ("1", "offensive")):
        yield f"cold {kind}", [row["TEXT"] for row in cold if row["label"] == label]
    harm = [json.loads(line) for line in (data / "chineseharm" / "train.jsonl").read_text("utf-8").splitlines()]
    for label in dict.fromkeys(row["label"] for row in harm):
        yield f"chineseharm {label}", [row["text"] for row in harm if row["label"] == label]


def ordinary(data: Path, name: str) -> Iterator[str]:
    """Of a set that trained the classifier, its test side. Of one that sets thresholds, the other half."""
    if name in training_sets.SETS:
        yield from (row.text for row in training_sets.read(data, (name,)) if part_of(row) == "test")
    else:
        found = rows(data / name / "rows.csv")
        yield from (row["text"] for row in found if name not in CONVERSATIONS or not sets_limits(row))


def rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


if __name__ == "__main__":
    main()
