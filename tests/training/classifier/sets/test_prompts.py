"""Requests to language models: their kinds become labels of ours, and kinds without one are left out."""

from pathlib import Path

import pytest

from pipeline.learning.training_rows import CLEAN, LABELS, part_of, positive
from tests.training.classifier.sets.tables import labels, read_set, write
from training.classifier.sets.prompts import (
    AILUMINATE_HAZARDS,
    CATQA_KINDS,
    JADE_KINDS,
    MULTIJAIL_TAGS,
    SIMPLE_AREAS,
    WEIGHT,
)


def test_every_kind_leads_to_labels_of_ours_and_to_one_each() -> None:
    tagged = {label for names in MULTIJAIL_TAGS.values() for label in names}
    assert tagged | {*JADE_KINDS, *CATQA_KINDS, *SIMPLE_AREAS.values(), *AILUMINATE_HAZARDS.values()} <= set(LABELS)
    for kinds in (JADE_KINDS, CATQA_KINDS):
        names = [name for group in kinds.values() for name in group]
        assert len(names) == len(set(names))


def test_jade_has_requests_and_clean_rules(tmp_path: Path) -> None:
    rows = [("a", "zh", "诈骗|抢劫"), ("b", "en", "贩卖毒品"), ("c", "zh", "其他|诈骗"), ("d", "zh", "其他")]
    write(tmp_path / "jade" / "rows.csv", "text language subkind", *rows)
    write(tmp_path / "jade" / "rules_zh.csv", "text", ("守法",))
    found = read_set(tmp_path, "jade")
    assert {text: (row.labels, row.language, row.weight) for text, row in found.items()} == {
        "a": (positive("fraud", "violence"), "zh", WEIGHT),
        "b": (positive("illegal_trade"), "en", WEIGHT),
        "c": (positive("fraud"), "zh", WEIGHT),
        "守法": (CLEAN, "zh", 1.0),
    }


def test_both_languages_of_a_request_stay_on_one_side(tmp_path: Path) -> None:
    rows = [(n, f"{language} {n}", language, "Weapons; Adult content") for n in range(40) for language in ("en", "zh")]
    write(tmp_path / "multijail" / "rows.csv", "id text language tags", *rows, (99, "x", "en", "Unknown kind"))
    found = read_set(tmp_path, "multijail")
    assert len(found) == 80
    for n in range(40):
        assert part_of(found[f"en {n}"]) == part_of(found[f"zh {n}"])
    assert found["en 0"].labels == positive("violence", "illegal_trade", "sexual")


def test_catqa_leaves_out_other_categories(tmp_path: Path) -> None:
    rows = [("a", "en", "Phishing"), ("b", "zh", "Online predation"), ("c", "en", "Lobbying")]
    write(tmp_path / "catqa" / "rows.csv", "text language subcategory", *rows)
    assert labels(tmp_path, "catqa") == {"a": positive("fraud"), "b": positive("minor_safety")}


@pytest.mark.parametrize("area", SIMPLE_AREAS)
def test_each_harm_area_has_a_label(tmp_path: Path, area: str) -> None:
    write(tmp_path / "simple_safety_tests" / "rows.csv", "text harm_area", ("a", area))
    assert labels(tmp_path, "simple_safety_tests") == {"a": positive(SIMPLE_AREAS[area])}


def test_a_political_question_does_not_say_whether_it_is_risky(tmp_path: Path) -> None:
    write(tmp_path / "deccp" / "rows.csv", "text refused", ("a", 1), ("b", 0))
    found = labels(tmp_path, "deccp")
    for text, refused in (("a", 1.0), ("b", 0.0)):
        assert found[text]["political_sensitive"] == refused
        assert set(found[text]) == {*LABELS}
        assert sum(found[text].values()) == refused
