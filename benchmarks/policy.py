"""Measure how much ordinary talk and how many risky texts a policy reviews and blocks, with the shipped judge.

    python -m benchmarks.policy --data DIR [--policy NAME] [--room-type T]
    python -m benchmarks.policy --data DIR --limits 0.004

`DIR` holds the text sets, one folder each. Rows are a fixed sample of each set. Ordinary talk and COLD's dev part are
held out. The shipped classifier was trained on ChineseHarm, so its recall there does not show how well it generalises.

`--limits` instead shows the scores that this share of ordinary talk reaches, for any label and for `risk`. You can use
them as thresholds of a policy. They come from half of the dialogues of one set for each language. The command without
`--limits` counts only the other half.
"""

import argparse
import csv
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.judge import classifier
from pipeline.judge.judge import build
from pipeline.judge.texts import Text, judge_texts
from pipeline.learning.rows import OUTPUTS, part_of
from pipeline.metrics import Metrics
from pipeline.settings import JudgeSettings, Settings
from training.classifier import sets as training_sets
from training.classifier.calibrate import thresholds

ORDINARY = ("kdconv", "crosswoz", "cped", "medical_zh", "swda", "mrda", "topical_chat")
SETTING = {"swda": "en", "cped": "zh"}
"""Half of their dialogues set the limits."""
SAMPLE = 3_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--policy", default="default")
    parser.add_argument("--room-type", default="default")
    parser.add_argument(
        "--limits", type=float, metavar="SHARE", help="show the scores that this share of ordinary talk reaches"
    )
    options = parser.parse_args()
    if options.limits:
        show_limits(options.data, options.limits)
    else:
        show_shares(options)


def show_limits(data: Path, share: float) -> None:
    judge = classifier.load(JudgeSettings())
    texts: list[str] = []
    languages: list[str] = []
    for name, language in SETTING.items():
        found = [row["text"] for row in rows(data / name / "rows.csv") if sets_limits(row)]
        texts += found
        languages += [language] * len(found)
    table = np.array([[score[output] for output in OUTPUTS] for score in judge.classify(texts, languages)])
    print(f"{'':20} language  review")
    for output, found_limits in thresholds(languages, table, {"review": share}).items():
        for language, limits in found_limits.items():
            print(f"{output:20} {language:8} {limits['review']:7.3f}")


def sets_limits(row: dict[str, str]) -> bool:
    return zlib.crc32(row["dialogue"].encode()) % 2 == 0


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
    """Of a set that trained the classifier, its test side. Of one that set limits, the other half."""
    if name in training_sets.SETS:
        yield from (row.text for row in training_sets.read(data, (name,)) if part_of(row) == "test")
    else:
        found = rows(data / name / "rows.csv")
        yield from (row["text"] for row in found if name not in SETTING or not sets_limits(row))


def rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


if __name__ == "__main__":
    main()
