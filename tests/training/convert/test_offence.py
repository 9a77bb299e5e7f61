"""Files of the sets about insults, in their authors' format, become rows with our labels."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import negative, positive
from tests.training.convert.samples import as_table, converted
from training.classifier.sets.offence import JIGSAW_KINDS
from training.convert.offence import SEVERITIES, TYPES


def test_rare_kinds_of_jigsaw_are_all_kept_and_others_in_part(tmp_path: Path) -> None:
    def rows(start: str, *marks: str) -> list[dict[str, object]]:
        kinds = {kind: int(kind in marks) for kind in JIGSAW_KINDS}
        return [{"id": f"{start} {n}", "comment_text": f"{start} {n}", **kinds} for n in range(400)]

    content = [*rows("threat", "toxic", "threat"), *rows("insult", "toxic", "insult"), *rows("fine")]
    found = converted(tmp_path, "jigsaw_part", {"train.csv": as_table(content)})
    counts = {start: sum(text.startswith(start) for text in found) for start in ("threat", "insult", "fine")}
    assert counts["threat"] == 400
    assert 30 < counts["insult"] < 75
    assert 1 <= counts["fine"] < 25
    assert found["threat 7"].labels == {"risk": 1.0, "violence": 1.0, "hate": 0.0, "abuse": 1.0}


def convabuse(text: str, *votes: tuple[int, str]) -> dict[str, object]:
    """A row with the severity and the ticked kind of each annotator. The authors leave the others empty."""
    row: dict[str, object] = {"agent": "hello", "user": text}
    for number in range(1, 9):
        severity, kind = votes[number - 1] if number <= len(votes) else (None, "")
        row |= {f"Annotator{number}_is_abuse.{each}": int(each == severity) if severity else "" for each in SEVERITIES}
        row |= {f"Annotator{number}_{each}": float(each == kind) if severity else "" for each in TYPES}
    return row


def test_the_votes_of_convabuse_are_counted(tmp_path: Path) -> None:
    train = [
        convabuse("nice", (1, ""), (1, "")), convabuse("rude", (-1, ""), (-2, "intellectual"), (1, "")),
        convabuse("lewd", (-3, "sex_harassment"), (-2, "sex_harassment")), convabuse("doubtful", (-1, ""), (1, "")),
    ]  # fmt: skip
    valid = [convabuse("sexist", (-1, "sexist"))]
    files = {"ConvAbuseEMNLPtrain.csv": as_table(train), "ConvAbuseEMNLPvalid.csv": as_table(valid)}
    found = converted(tmp_path, "convabuse", files)
    assert {text: row.labels for text, row in found.items()} == {
        "nice": negative("abuse", "hate", "sexual", "risk"),
        "rude": positive("abuse"),
        "lewd": positive("abuse", "sexual"),
        "sexist": positive("abuse", "hate"),
    }


def test_half_of_diasafety_is_kept_with_its_verdict(tmp_path: Path) -> None:
    def rows(start: str, label: str) -> list[dict[str, str]]:
        shared = {"context": "q", "category": "Offending User", "label": label}
        return [{"response": f"{start} {number}", **shared} for number in range(100)]

    files = {"DiaSafety_dataset/train.json": rows("rude", "Unsafe"), "DiaSafety_dataset/val.json": rows("kind", "Safe")}
    found = converted(tmp_path, "diasafety", files)
    assert 70 < len(found) < 130
    labels = {text.split()[0]: row.labels for text, row in found.items()}
    assert labels == {"rude": positive("abuse"), "kind": negative("abuse")}


@pytest.mark.parametrize(("written", "expected"), [("Toxic", 1.0), ("Not Toxic", 0.0)])
def test_surge_has_two_classes(tmp_path: Path, written: str, expected: float) -> None:
    found = converted(tmp_path, "surge_toxicity", {"toxicity_en.csv": f'text,is_toxic\n"a,\n b",{written}\n'})
    assert found["a, b"].labels["risk"] == expected
