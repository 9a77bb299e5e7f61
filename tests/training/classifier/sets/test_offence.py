"""Sets about insults: votes and kinds become labels, and COLD's dev side is only for the test."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import CLEAN, negative, part_of, positive
from tests.training.classifier.sets.tables import labels, read_set, write
from training.classifier.sets.offence import HATE_KINDS, JIGSAW_KINDS


def test_the_dev_rows_of_cold_are_the_test_and_no_other_row_is(tmp_path: Path) -> None:
    write(tmp_path / "cold" / "train.csv", "TEXT label", *((f"train {n}", n % 2) for n in range(50)))
    write(tmp_path / "cold" / "dev.csv", "TEXT label", *((f"dev {n}", n % 2) for n in range(50)))
    found = read_set(tmp_path, "cold")
    assert {text for text, row in found.items() if part_of(row) == "test"} == {f"dev {n}" for n in range(50)}
    assert (found["dev 1"].labels, found["dev 2"].labels) == (positive("abuse", "hate"), CLEAN)
    assert {row.language for row in found.values()} == {"zh"}


def test_davidson_has_three_classes(tmp_path: Path) -> None:
    write(tmp_path / "davidson" / "labeled_data.csv", "class tweet", (0, "a"), (1, "RT @b: b"), (2, "c"))
    assert labels(tmp_path, "davidson") == {
        "a": positive("hate"),
        "b": positive("abuse") | negative("hate"),
        "c": negative("abuse", "hate", "risk"),
    }


@pytest.mark.parametrize(
    ("marks", "expected", "weight"),
    [
        ((), negative("abuse", "hate", "violence", "risk"), 1.0),
        (("toxic",), {"risk": 1.0, "violence": 0.0, "hate": 0.0, "abuse": 1.0}, 0.5),
        (("toxic", "obscene"), {"risk": 1.0, "violence": 0.0, "hate": 0.0, "abuse": 1.0}, 0.5),
        (("toxic", "insult"), {"risk": 1.0, "violence": 0.0, "hate": 0.0, "abuse": 1.0}, 1.0),
        (("threat",), {"risk": 1.0, "violence": 1.0, "hate": 0.0}, 1.0),
        (("identity_hate", "insult"), {"risk": 1.0, "violence": 0.0, "hate": 1.0, "abuse": 1.0}, 1.0),
    ],
)
def test_jigsaws_marks_become_labels(
    tmp_path: Path, marks: tuple[str, ...], expected: dict[str, float], weight: float
) -> None:
    cells = [int(kind in marks) for kind in JIGSAW_KINDS]
    write(tmp_path / "jigsaw" / "rows.csv", " ".join(("text", *JIGSAW_KINDS)), ("x", *cells))
    row = read_set(tmp_path, "jigsaw")["x"]
    assert (row.labels, row.weight) == (expected, weight)


def test_convabuse_counts_votes_and_leaves_out_doubtful_rows(tmp_path: Path) -> None:
    columns = " ".join(("agent", "text", "abusive_votes", "annotators", "sex_harassment", *HATE_KINDS))
    none = [0] * len(HATE_KINDS)
    rows = [
        ("hi", "clean", 0, 3, 0, *none), ("hi", "doubtful", 1, 3, 0, *none), ("hi", "tie", 2, 4, 0, *none),
        ("hi", "rude", 2, 3, 0, *none), ("hi", "sexual", 3, 3, 2, *none), ("hi", "sexist", 3, 4, 1, 0, 0, 0, 2, 0),
    ]  # fmt: skip
    write(tmp_path / "convabuse" / "rows.csv", columns, *rows)
    assert labels(tmp_path, "convabuse") == {
        "clean": negative("abuse", "hate", "sexual", "risk"),
        "rude": positive("abuse"),
        "sexual": positive("abuse", "sexual"),
        "sexist": positive("abuse", "hate"),
    }
    assert {row.room for row in read_set(tmp_path, "convabuse").values()} == {"hi"}


def test_diasafety_uses_replies_that_are_unsafe_by_themselves(tmp_path: Path) -> None:
    rows = [
        ("q", "rude", "Offending User", "Unsafe"), ("q", "polite", "Offending User", "Safe"),
        ("q", "biased", "Biased Opinion", "Unsafe"), ("q", "fair", "Biased Opinion", "Safe"),
        ("q", "agrees", "Toxicity Agreement", "Unsafe"), ("q", "differs", "Toxicity Agreement", "Safe"),
        ("q", "ignores", "Risk Ignorance", "Unsafe"), ("q", "cares", "Risk Ignorance", "Safe"),
        ("my knee hurts", "take pills", "Unauthorized Expertise", "Unsafe"),
    ]  # fmt: skip
    write(tmp_path / "diasafety" / "rows.csv", "context text category label", *rows)
    assert labels(tmp_path, "diasafety") == {
        "rude": positive("abuse"),
        "polite": negative("abuse"),
        "biased": positive("hate"),
        "fair": negative("hate"),
        "differs": negative("abuse"),
        "cares": CLEAN,
        "my knee hurts": negative("illegal_trade", "sexual", "abuse", "hate"),
    }
    rooms = {text: row.room for text, row in read_set(tmp_path, "diasafety").items()}
    assert (rooms["rude"], rooms["my knee hurts"]) == ("q", "")


def test_toxic_texts_of_surge_are_risky_without_a_label(tmp_path: Path) -> None:
    write(tmp_path / "surge_toxicity" / "rows.csv", "text label", ("a", "Toxic"), ("b", "Not Toxic"))
    assert labels(tmp_path, "surge_toxicity") == {
        "a": {"risk": 1.0},
        "b": negative("abuse", "hate", "violence", "sexual", "risk"),
    }
