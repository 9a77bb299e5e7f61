from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.judge import labels
from training.classifier.sets import SETS

LEAST = "en: A, zh: 甲, severity: low, means: x, not_meant: y"
"""The required fields of a label."""

ALL = {
    "sexual",
    "abuse",
    "hate",
    "violence",
    "self_harm",
    "minor_safety",
    "terror_extremism",
    "political_sensitive",
    "illegal_trade",
    "fraud",
    "ads_spam",
    "privacy",
}


def test_the_shipped_labels_are_all_defined_with_examples() -> None:
    shipped = labels.load_labels()
    assert set(shipped.labels) == ALL
    assert all(label.examples.meant and label.examples.not_meant for label in shipped.labels.values())


def test_every_shipped_label_has_law_items_and_labels_of_others() -> None:
    for label in labels.load_labels().labels.values():
        assert label.law
        assert any(label.elsewhere.model_dump().values())


def test_kinds_name_the_training_sets_that_annotate_them() -> None:
    kinds = [kind for label in labels.load_labels().labels.values() for kind in label.kinds.values()]
    assert len(kinds) > 20
    assert {name for kind in kinds for name in kind.sets} <= set(SETS)


def test_kinds_of_shipped_labels_have_unique_names() -> None:
    names = [name for label in labels.load_labels().labels.values() for name in label.kinds]
    assert len(names) == len(set(names))


def test_worst_first_is_by_severity_then_score() -> None:
    scores = {"ads_spam": 0.99, "abuse": 0.7, "sexual": 0.8, "minor_safety": 0.1}
    assert labels.worst_first(scores, labels.load_labels()) == ["minor_safety", "sexual", "abuse", "ads_spam"]


def test_a_label_has_names_in_any_language_and_else_in_english(tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("labels: {a: {en: Insult, es: Insulto, severity: low, means: x, not_meant: y}}", "utf-8")
    label = labels.load_labels(path).labels["a"]
    assert (label.name("es"), label.name("en"), label.name("zh")) == ("Insulto", "Insult", "Insult")


def test_an_unknown_label_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml: unknown label swearing\. Known labels: sexual, abuse, .*privacy"):
        labels.load_labels().check(["abuse", "swearing"], "x.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("labels: {a: {en: A, zh: 甲, severity: awful, means: x, not_meant: y}}", r"labels\.a\.severity"),
        ("labels: {a: {zh: 甲}}", r"labels\.a\.en: Field required"),
        (
            f"labels: {{a: {{{LEAST}, severty: low}}}}",
            r"labels\.a: there is no key severty, and it is no language code",
        ),
        (f"labels: {{a: {{{LEAST}, es: [A]}}}}", r"labels\.a\.es"),
        (f"labels: {{a: {{{LEAST}, law: ['6(12)']}}}}", r"labels\.a\.law\.0"),
        (f"labels: {{a: {{{LEAST}, elsewhere: {{perspective: [X]}}}}}}", r"labels\.a\.elsewhere\.perspective"),
        ("labels: {}", "labels: "),
        ("labels: [1", "not YAML"),
        ("lables: {}", "lables|labels"),
        ("- 1", "the file"),
    ],
)
def test_mistakes_are_named_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        labels.load_labels(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
        labels.load_labels(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00labels")
    with pytest.raises(ConfigError, match="not YAML"):
        labels.load_labels(tmp_path / "binary.yaml")
