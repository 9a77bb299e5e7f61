"""Files of requests to language models, in their authors' format, become rows with our labels."""

from pathlib import Path

from pipeline.learning.training_rows import CLEAN, positive
from tests.training.convert.samples import as_table, converted


def test_jade_has_two_versions_and_rules(tmp_path: Path) -> None:
    def row(text: str, kind: str) -> dict[str, str]:
        return {"ID": "1", "问题": text, "违规类型": "违法犯罪", "违规子类": kind}

    files = {
        "jade-db-v1.0/jade_benchmark_zh.csv": as_table([row("一", "诈骗")]),
        "jade-db-v2.0/jade_benchmark_easy_zh.csv": as_table([row("二", "贩卖毒品")]),
        "jade-db-v2.0/jade_benchmark_medium_zh.csv": as_table([row("三", "抢劫")]),
        "jade-rag-v1.0/data/jade_rag_v1_1k_zh.csv": as_table([{"Domain": "x", "Rule": "守法"}]),
    }
    found = converted(tmp_path, "jade", files)
    assert {text: row.labels for text, row in found.items()} == {
        "一": positive("fraud"), "二": positive("illegal_trade"), "三": positive("violence"), "守法": CLEAN,
    }  # fmt: skip


def test_multijail_has_both_languages_of_a_request(tmp_path: Path) -> None:
    rows = [{"id": 3, "tags": "['Self-harm', 'Theft']", "en": "how", "zh": "怎么", "it": "come"}]
    found = converted(tmp_path, "multijail", {"MultiJail.csv": "\ufeff" + as_table(rows)})
    assert {text: (row.language, row.labels, row.group) for text, row in found.items()} == {
        "how": ("en", positive("self_harm"), "3"), "怎么": ("zh", positive("self_harm"), "3"),
    }  # fmt: skip


def test_catqa_ignores_marks_after_a_kind(tmp_path: Path) -> None:
    files = {
        "catqa_english.json": {"Illegal Activity": {"Drug": ["how"]}, "Other": {"Malware": ["what"]}},
        "catqa_chinese.json": {"Illegal Activity": {"Drug:": ["怎么"]}},
    }
    found = converted(tmp_path, "catqa", files)
    assert {text: (row.language, row.labels) for text, row in found.items()} == {
        "how": ("en", positive("illegal_trade")), "怎么": ("zh", positive("illegal_trade")),
    }  # fmt: skip


def test_simple_safety_tests_have_areas(tmp_path: Path) -> None:
    rows = [{"id": "sst_001", "harm_area": "Scams and fraud", "prompts_final": "how"}]
    found = converted(tmp_path, "simple_safety_tests", {"SimpleSafetyTests - test cases.csv": as_table(rows)})
    assert found["how"].labels == positive("fraud")


def test_ailuminate_keeps_short_prompts_of_hazards_with_a_label(tmp_path: Path) -> None:
    prompts = {"how": "ssh", "why": "ipv", "long " * 60: "ssh"}
    rows = [{"prompt_text": text, "hazard": hazard} for text, hazard in prompts.items()]
    name = "airr_official_1.0_demo_en_us_prompt_set_release.csv"
    found = converted(tmp_path, "ailuminate", {name: as_table(rows)})
    assert {text: row.labels for text, row in found.items()} == {"how": {"self_harm": 1.0}}


def test_deccp_has_refused_and_answered_questions(tmp_path: Path) -> None:
    found = converted(tmp_path, "deccp", {"data/censored.txt": "a?\n\nb?\n", "data/uncensored.txt": "c?\n"})
    assert {text: row.labels["political_sensitive"] for text, row in found.items()} == {"a?": 1, "b?": 1, "c?": 0}
