"""Files of the sets about insults, in their authors' format, become rows with our labels."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.learning.training_rows import negative, positive
from tests.training.convert.samples import as_table, converted
from training.classifier.sets.offence import JIGSAW_KINDS
from training.convert.offence import SEVERITIES, TYPES


def comment(number: int, text: str, *marks: str) -> dict[str, object]:
    return {"id": str(number), "comment_text": text, **{kind: float(kind in marks) for kind in JIGSAW_KINDS}}


def test_toxic_comments_of_jigsaw_are_all_kept_and_about_as_many_others(tmp_path: Path) -> None:
    toxic = [comment(n, f"you idiot {n}", "toxic", "insult") for n in range(100)]
    fine = [comment(n, f"fine {n}") for n in range(1000, 2000)]
    found = converted(tmp_path, "jigsaw", {"train.csv": as_table([*toxic, *fine])})
    counts = {start: sum(text.startswith(start) for text in found) for start in ("you", "fine")}
    assert counts["you"] == 100
    assert 60 < counts["fine"] < 150
    assert found["you idiot 7"].labels == {"risk": 1.0, "violence": 0.0, "hate": 0.0, "abuse": 1.0}


def test_of_two_copies_of_a_comment_the_one_with_punctuation_is_kept(tmp_path: Path) -> None:
    files = {
        "a.csv": as_table([comment(1, "Die, you fool!", "threat")]),
        "b.csv": as_table([comment(1, "die you fool", "threat")]),
    }
    assert [*converted(tmp_path, "jigsaw", files)] == ["Die, you fool!"]


def test_a_long_harmless_comment_is_cut_and_a_long_toxic_one_is_left_out(tmp_path: Path) -> None:
    rows = [
        comment(1, "Thank you. " * 30),
        comment(2, "thank you " * 30),
        comment(3, "Hello. " * 60 + "You fool.", "toxic"),
        comment(4, "You fool.", "toxic"),
    ]
    found = converted(tmp_path, "jigsaw", {"train.csv": as_table(rows)})
    assert [*found] == [" ".join(["Thank you."] * 20), " ".join(["thank you"] * 22), "You fool."]


def spans_files(text: str, *annotators: Sequence[tuple[str, str]]) -> dict[str, object]:
    """A comment of Toxic Spans, and for each annotator the marked words and their kinds."""
    annotations = [{"annotation": number, "comment_id": 9, "worker": number} for number in range(len(annotators))]
    spans = [
        {"annotation": number, "type": kind, "start": text.index(words), "end": text.index(words) + len(words)}
        for number, marks in enumerate(annotators)
        for words, kind in marks
    ]
    return {
        "comments.csv": as_table([{"comment_id": 9, "comment_text": text}]),
        "annotations.csv": as_table(annotations),
        "spans.csv": as_table(spans),
    }


def test_a_sentence_of_toxic_spans_has_the_votes_for_its_words(tmp_path: Path) -> None:
    text = "You are an idiot. I read it all day. Those people are vermin!\nWe will hang you. Rubbish, really."
    files = spans_files(
        text,
        [("idiot", "Insult"), ("vermin", "Identity based Attack"), ("hang you", "Threat")],
        [("an idiot", "Insult"), ("vermin", "Identity based Attack"), ("hang you", "Threat"), ("Rubbish", "Insult")],
        [("idiot", "Insult"), ("vermin", "Insult")],
    )
    found = converted(tmp_path, "toxic_spans", files)
    assert {text: (row.labels, row.weight, row.group) for text, row in found.items()} == {
        "You are an idiot.": ({"abuse": 1.0, "hate": 0.0, "violence": 0.0, "risk": 1.0}, 1.0, "9"),
        "I read it all day.": (negative("abuse", "hate", "violence"), 0.4, "9"),
        "Those people are vermin!": ({"hate": 1.0, "violence": 0.0, "risk": 1.0}, 1.0, "9"),
        "We will hang you.": ({"hate": 0.0, "violence": 1.0, "risk": 1.0}, 0.4, "9"),
    }


def test_a_comment_in_which_an_annotator_marked_nothing_has_no_harmless_sentence(tmp_path: Path) -> None:
    files = spans_files("What a clown. I read it all day.", [("clown", "Insult")], [("clown", "Insult")], [])
    assert [*converted(tmp_path, "toxic_spans", files)] == ["What a clown."]


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
