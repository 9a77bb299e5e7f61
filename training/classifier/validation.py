"""The speech that sets the thresholds of the shipped policy. No training and no test reads it.

- Our own lines (`spoken/`) of the validation side.
- Ordinary talk: the validation side of the sets in `TALK`, and half of the dialogues in `CONVERSATIONS`. Lines with
  words of `SUSPECT` or `INSULTS` are left out. They may be no false alarms: actors insult each other in earnest.

All of it is read as a recogniser would hear it. Half of the harmless speech are our lines, which resemble risky ones.
In the other half, each set of ordinary talk counts the same, so that the largest does not decide alone.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.judge.classifier_text import view
from pipeline.learning.decided_cases import Example, PlacedExample
from pipeline.learning.training_rows import CLEAN, RISK, Row, part_of
from training.classifier import sets
from training.classifier.files import plain, read_csv
from training.classifier.noise import hearing
from training.classifier.sets import TALK
from training.classifier.sets.talk import SUSPECT
from training.classifier.sides import split

CONVERSATIONS: Mapping[str, str] = {"swda": "en", "cped": "zh"}
"""Sets that only measure, with their languages."""
INSULTS = re.compile("不要脸|变态|混蛋|王八蛋|傻子|白痴|神经病|毙了|你个头|脑子坏|恶心|你这种人|你这种男人|耍流氓")
"""Words with which the actors of `cped` insult each other. In other talk, some of them are harmless."""
SHARES: Mapping[str, float] = {"risky": 0.01, "resembling": 0.495, "ordinary": 0.495}
"""The parts of the speech: our risky lines, our harmless lines, and ordinary talk."""
UTTERANCES = 1_000_000
"""The utterances of a language that the speech stands for."""


def rows(data: Path) -> list[Row]:
    """The speech, from the sets in `data`. Raises ConfigError if a set is missing."""
    read = [row for row in sets.read(data, ("authored", *TALK)) if part_of(row) != "train"]
    ours = [row for row in split(read)["validation"] if row.source == "authored" or row.labels is CLEAN]
    return [*ours, *_conversations(data)]


def examples(found: Sequence[Row], seed: int) -> list[PlacedExample]:
    """The rows as decided cases. The variants of a line, and the lines of a dialogue, have one speaker."""
    hear = hearing([row.text for row in found], seed)
    return [
        PlacedExample(_example(row, hear(row.text), str(at)), "validation", f"{row.source}/{row.group or row.text}")
        for at, row in enumerate(found)
    ]


def weights(found: Sequence[Row]) -> list[float]:
    """The number of utterances that each row stands for. Those of a language add up to `UTTERANCES`."""
    sums: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in found:
        sums[_place(row)] += row.weight
    parts = Counter((language, kind) for language, kind, _ in sums)
    return [
        UTTERANCES * SHARES[_kind(row)] / parts[row.language, _kind(row)] * row.weight / sums[_place(row)]
        for row in found
    ]


def sets_limits(row: Mapping[str, str]) -> bool:
    """Whether a row of `CONVERSATIONS` sets thresholds. The other half of the dialogues tests them."""
    return zlib.crc32(row["dialogue"].encode()) % 2 == 0


def _conversations(data: Path) -> Iterator[Row]:
    for name, language in CONVERSATIONS.items():
        for row in filter(sets_limits, read_csv(data / name / "rows.csv")):
            if (text := view(plain(row["text"]))) and not _suspect(row["text"]):
                yield Row(text, language, CLEAN, name, group=row["dialogue"])


def _suspect(text: str) -> bool:
    return bool(SUSPECT.search(text) or INSULTS.search(text))


def _place(row: Row) -> tuple[str, str, str]:
    return row.language, _kind(row), row.source


def _kind(row: Row) -> str:
    if row.source != "authored":
        return "ordinary"
    return "risky" if row.labels.get(RISK) else "resembling"


def _example(row: Row, heard: str, group: str) -> Example:
    return Example(
        text=heard,
        language=row.language,
        labels=row.labels,
        group=group,
        room_type="default",
        suggestion="review" if row.labels.get(RISK) else "pass",
        policy="",
        reason="",
        opinions=1,
        golden=False,
        probability=None,
        decided_at=0.0,
    )
