"""Sets about hatred: each author's label becomes the right labels of ours, and unknown ones stay unknown."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import negative, positive
from tests.training.classifier.sets.tables import labels, read_set, write


def test_swsr_tells_sexual_and_personal_sexism(tmp_path: Path) -> None:
    columns = "weibo_id comment_text label category target"
    rows = [
        (7, "plain", 1, "SA", "G"), (7, "sexual", 1, "SO", "G"), (8, "personal", 1, "MA", "I"),
        (9, "fine", 0, "SO", "I"),
    ]  # fmt: skip
    write(tmp_path / "swsr" / "SexComment.csv", columns, *rows)
    found = read_set(tmp_path, "swsr")
    assert {text: row.labels for text, row in found.items()} == {
        "plain": positive("hate"),
        "sexual": positive("hate", "sexual"),
        "personal": positive("hate", "abuse"),
        "fine": negative("hate"),
    }
    assert [row.group for row in found.values()] == ["7", "7", "8", "9"]
    assert {row.language for row in found.values()} == {"zh"}


@pytest.mark.parametrize(
    ("vector", "expected"),
    [
        ("1.1 threats of harm", positive("hate", "violence")),
        ("1.2 incitement and encouragement of harm", positive("hate", "violence")),
        ("2.1 descriptive attacks", positive("hate")),
        ("2.2 aggressive and emotive attacks", positive("hate", "abuse")),
        ("3.1 casual use of gendered slurs", positive("hate", "abuse")),
        ("4.1 supporting mistreatment of individual women", positive("hate", "abuse")),
        ("4.2 supporting systemic discrimination", positive("hate")),
    ],
)
def test_edos_tells_threats_and_insults(tmp_path: Path, vector: str, expected: dict[str, float]) -> None:
    file = tmp_path / "edos" / "edos_labelled_aggregated.csv"
    write(file, "text label_sexist label_vector split", ("x", "sexist", vector, "train"))
    assert labels(tmp_path, "edos") == {"x": expected}


def test_edos_keeps_its_authors_split_and_weighs_other_talk_less(tmp_path: Path) -> None:
    rows = [(part, "not sexist", "none", part) for part in ("train", "dev", "test")]
    write(tmp_path / "edos" / "edos_labelled_aggregated.csv", "text label_sexist label_vector split", *rows)
    found = read_set(tmp_path, "edos").values()
    assert [row.part for row in found] == ["train", "validation", "test"]
    assert all(row.labels == negative("hate") and row.weight == 0.5 for row in found)


def test_stormfront_leaves_out_what_needs_context_and_keeps_a_thread_together(tmp_path: Path) -> None:
    rows = [("12_1", "a", "hate"), ("12_2", "b", "noHate"), ("13_1", "c", "relation"), ("13_2", "d", "idk/skip")]
    write(tmp_path / "stormfront" / "sentences.csv", "file_id text label", *rows)
    found = read_set(tmp_path, "stormfront")
    assert {text: (row.labels, row.group) for text, row in found.items()} == {
        "a": (positive("hate"), "12"),
        "b": (negative("hate", "abuse"), "12"),
    }


def test_implicit_hate_adds_threats_and_incitement(tmp_path: Path) -> None:
    rows = [
        ("a", "not_hate", ""), ("b", "implicit_hate", "irony"), ("c", "implicit_hate", "threatening"),
        ("d", "implicit_hate", "incitement"), ("e", "explicit_hate", ""),
    ]  # fmt: skip
    write(tmp_path / "implicit_hate" / "rows.csv", "text label implicit_class", *rows)
    assert labels(tmp_path, "implicit_hate") == {
        "a": negative("hate"),
        "b": positive("hate"),
        "c": positive("hate", "violence"),
        "d": positive("hate", "terror_extremism"),
        "e": positive("hate"),
    }


def test_hatexplain_has_three_classes(tmp_path: Path) -> None:
    write(tmp_path / "hatexplain" / "rows.csv", "text label", ("a", 0), ("b", 1), ("c", 2))
    assert labels(tmp_path, "hatexplain") == {
        "a": negative("abuse", "hate"), "b": positive("abuse"), "c": positive("hate"),
    }  # fmt: skip


def test_toxigen_has_two_classes(tmp_path: Path) -> None:
    write(tmp_path / "toxigen_seeds" / "rows.csv", "text label", ("a", "hate"), ("b", "neutral"))
    assert labels(tmp_path, "toxigen_seeds") == {"a": positive("hate"), "b": negative("hate", "abuse", "risk")}


def test_a_template_about_a_group_is_hate_and_others_are_abuse(tmp_path: Path) -> None:
    rows = [
        ("a", "en", "nontoxic", "am_adj"), ("b", "zh", "toxic", "verb_identity"), ("c", "en", "toxic", "you_are_adj"),
    ]  # fmt: skip
    write(tmp_path / "identity_templates" / "rows.csv", "text language label template", *rows)
    found = read_set(tmp_path, "identity_templates")
    assert {text: (row.language, row.labels) for text, row in found.items()} == {
        "a": ("en", negative("hate", "abuse", "risk")),
        "b": ("zh", positive("hate")),
        "c": ("en", positive("abuse")),
    }
